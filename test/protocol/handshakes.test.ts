import { describe, expect, test } from 'vitest';
import { DEFAULT_CONFIG } from '../../src/protocol/config.ts';
import type { EndpointContext, Pollable } from '../../src/protocol/context.ts';
import {
  HANDSHAKE_TRANSITIONS,
  type HandshakeEvent,
  type HandshakeState,
  Handshakes,
} from '../../src/protocol/handshakes.ts';
import { Outbox } from '../../src/protocol/outbox.ts';
import { Slab } from '../../src/protocol/packet-builder.ts';
import { Path } from '../../src/protocol/path.ts';
import { type AttemptInput, SessionTable } from '../../src/protocol/session-table.ts';
import type { Protection } from '../../src/session/protection.ts';
import { plainProtection } from './plain-protection.ts';
import { calleeAt, SERVER } from './two-endpoints.ts';

const ELSEWHERE = { host: '10.0.0.3', port: 2000 };

/** Handshakes with a server at two addresses, the session ids of what was sent, and the cookies in it. */
function handshakes(): {
  one: Handshakes;
  sessions: SessionTable;
  sent: number[];
  cookies: (Uint8Array | undefined)[];
} {
  const sent: number[] = [];
  const cookies: (Uint8Array | undefined)[] = [];
  const sessions = new SessionTable();
  const plain = plainProtection();
  const protection: Protection = {
    ...plain,
    initiate: (localSession, remote, hints) => {
      sent.push(localSession);
      cookies.push(hints.cookie);
      return { ...plain.initiate(localSession, remote, hints), openCookie: () => Uint8Array.of(1) };
    },
  };
  let id = 0;
  const context: Partial<EndpointContext> = {
    config: DEFAULT_CONFIG,
    slab: new Slab(),
    jitter: () => 0,
    protection,
    sessions,
    freshId: () => ++id,
    freshSessionId: () => ++id,
    touch: () => {},
  };
  const callee = { ...calleeAt(SERVER), addresses: [SERVER, ELSEWHERE] as const };
  const peer = { dirty: false, poll: () => undefined } as unknown as Pollable & AttemptInput;
  const one = new Handshakes(
    context as EndpointContext,
    callee,
    peer,
    new Path(SERVER, DEFAULT_CONFIG),
    new Outbox(() => {}),
  );
  return { one, sessions, sent, cookies };
}

type World = ReturnType<typeof handshakes>;

/** How each event comes about. */
const EVENTS: Readonly<Record<HandshakeEvent, (world: World) => void>> = {
  want: ({ one }) => one.want(1),
  'ask-silent': ({ one }) => one.wantOne(),
  sent: ({ one }) => {
    while (one.poll(0, 1) !== undefined);
  },
  'timeout-with-calls': ({ one }) => one.onTimer(true, 100_000),
  'timeout-without-calls': ({ one }) => one.onTimer(false, 100_000),
  'cookie-or-clock': ({ one, sent }) => {
    one.onCookie(sent.at(-1) ?? 0, new Uint8Array(0), 1);
  },
  'address-refused': ({ one }) => {
    one.avoid(SERVER, 1);
  },
  wake: ({ one }) => one.onWake(1),
  end: ({ one }) => one.end(),
};

/** Which events lead to a state, from the beginning. */
const WAYS: Readonly<Record<HandshakeState, readonly HandshakeEvent[]>> = {
  idle: [],
  wanted: ['want'],
  waiting: ['want', 'sent'],
  late: ['want', 'sent', 'timeout-without-calls'],
};

describe('in each state each event does what the table says', () => {
  for (const state of Object.keys(WAYS) as HandshakeState[]) {
    for (const event of Object.keys(EVENTS) as HandshakeEvent[]) {
      test(`${state}: ${event}`, () => {
        const world = handshakes();
        for (const step of WAYS[state]) EVENTS[step](world);
        expect(world.one.state).toBe(state);
        EVENTS[event](world);
        expect(world.one.state).toBe(HANDSHAKE_TRANSITIONS[state][event] ?? state);
      });
    }
  }
});

test('what ends leaves no session id behind', () => {
  const { one, sessions, sent } = handshakes();
  for (let i = 0; i < 20; i++) {
    one.want(i * 100_000);
    while (one.poll(0, i * 100_000) !== undefined);
    one.onTimer(true, (i + 1) * 100_000);
  }
  one.end();
  expect(sent.length).toBeGreaterThan(20);
  expect(sent.filter((id) => sessions.has(id))).toEqual([]);
});

// P-126
describe('a cookie', () => {
  const COOKIE = Uint8Array.of(1);

  /** What the next ones go to. */
  function send({ one }: World, nowMs: number): unknown[] {
    const to: unknown[] = [];
    for (let next = one.poll(0, nowMs); next !== undefined; next = one.poll(0, nowMs)) to.push(next.to);
    return to;
  }

  test('goes at once to who gave it, and is given up when that says nothing to it', () => {
    const world = handshakes();
    const { one, sent, cookies } = world;
    one.want(0);
    send(world, 0);
    one.onTimer(true, 100_000);
    expect(send(world, 100_000)).toEqual([ELSEWHERE, SERVER]);
    one.onCookie(sent[1]!, new Uint8Array(0), 100_001);
    expect(send(world, 100_001)).toEqual([ELSEWHERE]);
    one.onTimer(true, 200_000);
    send(world, 200_000);
    expect(cookies).toEqual([undefined, undefined, undefined, COOKIE, undefined, undefined]);
  });

  test('that has come too late for one repeat goes with the next, to no other address', () => {
    const world = handshakes();
    const { one, sent, cookies } = world;
    one.want(0);
    send(world, 0);
    one.onCookie(sent[0]!, new Uint8Array(0), 1);
    send(world, 1);
    one.onCookie(sent[0]!, new Uint8Array(0), 2);
    one.onTimer(true, 100_000);
    expect(send(world, 100_000)).toEqual([ELSEWHERE, SERVER]);
    expect(cookies).toEqual([undefined, COOKIE, undefined, COOKIE]);
  });

  test('is good for the handshakes in hand only', () => {
    const world = handshakes();
    const { one, sent, cookies } = world;
    one.want(0);
    send(world, 0);
    one.onCookie(sent[0]!, new Uint8Array(0), 1);
    one.end();
    one.want(2);
    send(world, 2);
    expect(cookies).toEqual([undefined, undefined]);
  });
});
