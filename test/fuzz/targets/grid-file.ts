// Grid files: a grid or an error that says what to do, for any YAML.

import { CliError } from '../../../src/cli/failure.ts';
import { parseGrid } from '../../../src/cli/grid-file.ts';
import { assert, type FuzzTarget, text } from '../target.ts';

const KEY = 'A'.repeat(43);
const decoder = new TextDecoder();

export const target: FuzzTarget = {
  maxBytes: 512,
  covers: ['cli/grid-file.ts'],
  seeds: [
    text(`servers:\n  - nm://${KEY}@192.168.1.20:4820/s\n  - nm://${KEY}@[2001:db8::7]:4820,a:1/s\n`),
    text(
      `servers:\n  - address: nm://${KEY}@nas.local:4820/s\n    permutation-seed-base32: mfrggzdfmztwq2lk\n`,
    ),
    text(`{"servers": ["nm://${KEY}@a:1/s", {"address": "nm://${KEY}@b:2/s"}]}`),
  ],
  dictionary: [
    'servers:',
    'address:',
    'permutation-seed-base32:',
    'nm://',
    'pb://',
    KEY,
    '/s',
    '&a ',
    '*a',
    '<<: ',
    '!!binary ',
    '- ',
  ].map(text),
  run(input) {
    try {
      assert(parseGrid(decoder.decode(input), 'grid.yaml').servers.length > 0, 'a grid has a server');
    } catch (error) {
      assert(
        error instanceof CliError && error.next !== undefined,
        `what is thrown says what to do, not ${String(error)}`,
      );
    }
  },
};
