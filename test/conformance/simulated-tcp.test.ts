import { conformance } from './conformance.ts';
import { simulatedTcp } from './virtual-worlds.ts';

conformance(simulatedTcp);
