// How a worker begins: a thread does not inherit what loads TypeScript, and what counts branches has to be there
// before the first module of src/.

import { register as registerHooks } from 'node:module';
import { register as registerTypeScript } from 'tsx/esm/api';

registerTypeScript();
registerHooks('./instrument-hooks.ts', import.meta.url);
await import('./worker.ts');
