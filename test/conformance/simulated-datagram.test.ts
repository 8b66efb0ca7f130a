import { conformance } from './conformance.ts';
import { simulatedDatagrams } from './virtual-worlds.ts';

conformance(simulatedDatagrams);
