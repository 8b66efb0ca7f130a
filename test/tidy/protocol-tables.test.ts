// The tables and diagrams of spec/protocol.md say what the code says.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { DEFAULT_CONFIG } from '../../src/protocol/config.ts';
import { KIND, PROTOCOL_VERSION } from '../../src/wire/datagram.ts';
import { FRAME } from '../../src/wire/frame.ts';
import { diagramOf, drawnIn, STATE_MACHINES, withDiagrams } from './state-diagrams.ts';

const SPEC = readFileSync(new URL('../../spec/protocol.md', import.meta.url), 'utf8');

test('limits', () => {
  const rows = [...SPEC.matchAll(/^\| `(\w+)` \| ([\w.]+) \|$/gm)];
  const inSpec = Object.fromEntries(
    rows.map(([, name, value]) => [name, /\d/.test(value!) ? Number(value) : value]),
  );
  expect(inSpec).toEqual(DEFAULT_CONFIG);
});

test('types of frames', () => {
  const rows = [...SPEC.matchAll(/^\| 0x([0-9a-f]{2}) \| ([A-Z-]+) \|/gm)];
  const inSpec = Object.fromEntries(
    rows.map(([, type, name]) => [camelCase(name!), Number.parseInt(type!, 16)]),
  );
  expect(inSpec).toEqual(FRAME);
});

// P-1
test('version and kinds of datagrams', () => {
  const rows = [...SPEC.matchAll(/^\| (\d) \| ([A-Z]+) \|/gm)];
  const inSpec = Object.fromEntries(rows.map(([, kind, name]) => [name, Number(kind)]));
  expect(inSpec).toEqual({
    VERSION: KIND.version,
    INIT: KIND.init,
    RESP: KIND.resp,
    DATA: KIND.data,
    NOSESS: KIND.noSession,
    COOKIE: KIND.cookie,
  });
  expect(SPEC).toContain(`# The nevermind protocol, version ${PROTOCOL_VERSION}\n`);
});

describe('state diagrams', () => {
  test('are those of the tables in the source; else run `npm run diagrams`', () => {
    expect(SPEC).toBe(withDiagrams(SPEC));
  });

  test('are drawn of each machine, once', () => {
    expect(drawnIn(SPEC).sort()).toEqual(Object.keys(STATE_MACHINES).sort());
  });

  test('join events that lead the same way, and end where nothing leads on', () => {
    expect(diagramOf({ on: { a: 'off', b: 'off', c: 'on' }, off: {} })).toBe(
      [
        'stateDiagram-v2',
        '    [*] --> on',
        '    on --> off : a, b',
        '    on --> on : c',
        '    off --> [*]',
        '',
      ].join('\n'),
    );
  });

  test('of a machine that does not exist are a mistake', () => {
    expect(() => withDiagrams('<!-- states: nobody -->\n')).toThrow('nobody');
  });

  test('have every state that events lead to', () => {
    for (const machine of Object.values(STATE_MACHINES)) {
      for (const to of Object.values(machine).flatMap((events) => Object.values(events))) {
        expect(Object.keys(machine)).toContain(to);
      }
    }
  });
});

/** `REQUEST-START`: requestStart. */
function camelCase(name: string): string {
  return name.toLowerCase().replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}
