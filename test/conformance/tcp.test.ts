import { conformance } from './conformance.ts';
import { realTcp } from './real-worlds.ts';

conformance(realTcp);
