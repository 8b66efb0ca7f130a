import { expect, test } from 'vitest';
import type { Link } from '../../src/protocol/link.ts';
import { type AttemptInput, type PeerInput, SessionTable } from '../../src/protocol/session-table.ts';

const PEER: PeerInput = { onPacket: () => true, onSessionForgotten: () => {}, onSessionWorn: () => {} };
const ATTEMPT: AttemptInput = { onResp: () => true, onCookie: () => true };

/** The table looks at nothing but the two ids, and when it is worn. */
function link(localSession: number, remoteSession: number, wornAtMs = 1000): Link {
  return { localSession, remoteSession, wornAtMs, isWorn: (nowMs: number) => nowMs >= wornAtMs } as Link;
}

test('a session is found by the id of either side', () => {
  const table = new SessionTable();
  const session = link(1, 100);
  table.addLink(session, PEER);
  expect(table.get(1)).toEqual({ kind: 'link', link: session, peer: PEER });
  expect(table.byRemoteId(100)?.link).toBe(session);
  expect(table.get(100)).toBeUndefined();
  expect(table.byRemoteId(1)).toBeUndefined();
});

test('an attempt becomes the session of the same id', () => {
  const table = new SessionTable();
  table.addAttempt(1, ATTEMPT);
  expect(table.has(1)).toBe(true);
  expect(table.get(1)?.kind).toBe('attempt');
  table.addLink(link(1, 100), PEER);
  expect(table.get(1)?.kind).toBe('link');
  expect(table.size).toBe(1);
});

test('what is deleted is found by neither id', () => {
  const table = new SessionTable();
  table.addLink(link(1, 100), PEER);
  table.addAttempt(2, ATTEMPT);
  table.delete(1);
  table.delete(2);
  table.delete(3);
  expect(table.size).toBe(0);
  expect(table.byRemoteId(100)).toBeUndefined();
});

// P-129
test('what is worn is dropped in its time, the oldest first, and then there is nothing to wait for', () => {
  const table = new SessionTable();
  const dropped: number[] = [];
  const peer: PeerInput = {
    ...PEER,
    onSessionWorn: ({ localSession }) => {
      dropped.push(localSession);
      table.delete(localSession);
    },
  };
  for (const [id, wornAtMs] of [
    [1, 100],
    [2, 100],
    [3, 200],
    [4, 300],
  ] as const) {
    table.addLink(link(id, 10 * id, wornAtMs), peer);
  }
  table.delete(3);
  expect(table.wornAtMs).toBe(100);
  table.dropWorn(99);
  expect(dropped).toEqual([]);
  table.dropWorn(100);
  expect(dropped).toEqual([1, 2]);
  expect(table.wornAtMs).toBe(300);
  table.dropWorn(1000);
  expect(dropped).toEqual([1, 2, 4]);
  expect(table.wornAtMs).toBe(Number.POSITIVE_INFINITY);
});
