// Every planted bug. They prove that the simulation can see: `npm run sim` looks for each of them and fails when one
// is not found within its number of seeds, and a test checks that each of them can still be planted.

import type { PlantedBug } from '../planted-bug.ts';
import { CLIENT_BUGS } from './client-bugs.ts';
import { SERVER_BUGS } from './server-bugs.ts';
import { SESSION_BUGS } from './session-bugs.ts';
import { STORAGE_BUGS } from './storage-bugs.ts';

export const PLANTED_BUGS: readonly PlantedBug[] = [
  ...SERVER_BUGS,
  ...CLIENT_BUGS,
  ...SESSION_BUGS,
  ...STORAGE_BUGS,
];
