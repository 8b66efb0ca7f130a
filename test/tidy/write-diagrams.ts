// `npm run diagrams`: draws the state diagrams of spec/protocol.md anew.

import { readFileSync, writeFileSync } from 'node:fs';
import { withDiagrams } from './state-diagrams.ts';

const SPEC = new URL('../../spec/protocol.md', import.meta.url);

writeFileSync(SPEC, withDiagrams(readFileSync(SPEC, 'utf8')));
