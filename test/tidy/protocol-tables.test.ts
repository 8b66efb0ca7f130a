// The tables and diagrams of spec/protocol.md say what the code says.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { CLIENT_CALL_TRANSITIONS } from '../../src/protocol/client-call.ts';
import { DEFAULT_CONFIG } from '../../src/protocol/config.ts';
import { SERVER_CALL_TRANSITIONS } from '../../src/protocol/server-call.ts';
import { KIND, PROTOCOL_VERSION } from '../../src/wire/datagram.ts';
import { FRAME } from '../../src/wire/frame.ts';

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
  });
  expect(SPEC).toContain(`# The nevermind protocol, version ${PROTOCOL_VERSION}\n`);
});

describe('state diagrams', () => {
  test.each([
    ['queued', CLIENT_CALL_TRANSITIONS],
    ['receiving', SERVER_CALL_TRANSITIONS],
  ] as const)('of a call that begins as %s', (initial, table) => {
    const inCode = Object.entries(table).flatMap(([from, events]) =>
      Object.entries(events).map(([event, to]) => `${from} --> ${to} : ${event}`),
    );
    expect(diagramBeginning(initial).sort()).toEqual(inCode.sort());
  });
});

/** The arrows of the diagram whose first state this is. */
function diagramBeginning(initial: string): string[] {
  const lines = SPEC.split(`    [*] --> ${initial}\n`)[1]?.split('\n```')[0]?.split('\n') ?? [];
  return lines.map((line) => line.trim()).filter((line) => !line.endsWith('[*]'));
}

/** `REQUEST-START`: requestStart. */
function camelCase(name: string): string {
  return name.toLowerCase().replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}
