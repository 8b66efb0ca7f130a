import { conformance } from './conformance.ts';
import { realDatagrams } from './real-worlds.ts';

conformance(realDatagrams);
