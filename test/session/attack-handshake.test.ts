// Attacks on first datagrams, at the protection itself: what a server does with each, and what it costs.

import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { COOKIE_BYTES } from '../../src/session/cookies.ts';
import { networkOf } from '../../src/session/handshake-load.ts';
import { generateIdentity, Identity, isUsableKey } from '../../src/session/identity.ts';
import type { Admission, AttemptHints, Initiation, Protection } from '../../src/session/protection.ts';
import { remoteOf, type SealedOptions, sealedProtection } from '../../src/session/sealed.ts';
import { StrikeRegister } from '../../src/session/strike-register.ts';
import { SeededRandom } from '../../src/sim/random.ts';

const SWISSNUM = 'open-sesame';
const FROM = { host: '10.0.0.1', port: 1000 };
const NOW_MS = 5000;
const PLACE = '10.0.0.9:4820';
const CLIENT_SESSION = 11;
const SERVER_SESSION = 22;

/** A server, a client that has its address, and their clocks. */
class Handshake {
  readonly random = new SeededRandom('handshake');
  readonly serverIdentity = generateIdentity(this.random);
  readonly clientIdentity = generateIdentity(this.random);
  serverUnixMs = 1_700_000_000_000;
  clientUnixMs = 1_700_000_000_500;
  server: Protection;
  readonly client: Protection;
  readonly #options: Partial<SealedOptions>;

  constructor(options: Partial<SealedOptions> = {}) {
    this.#options = options;
    this.server = this.startServer();
    this.client = sealedProtection({
      identity: this.clientIdentity,
      swissnum: 'client',
      place: '10.0.0.1:1000',
      random: this.random,
      unixMs: () => this.clientUnixMs,
    });
  }

  startServer(): Protection {
    this.server = sealedProtection({
      identity: this.serverIdentity,
      swissnum: SWISSNUM,
      place: PLACE,
      random: this.random,
      unixMs: () => this.serverUnixMs,
      ...this.#options,
    });
    return this.server;
  }

  init(swissnum = SWISSNUM, hints: AttemptHints = {}): { initiation: Initiation; init: Uint8Array } {
    const remote = remoteOf(this.serverIdentity.publicKey, swissnum);
    const initiation = this.client.initiate(CLIENT_SESSION, remote, hints);
    const buffer = Buffer.alloc(1200);
    buffer.write('hello', initiation.headerBytes);
    const init = Uint8Array.from(initiation.seal(buffer, 1200 - initiation.trailerBytes));
    return { initiation, init };
  }

  accept(init: Uint8Array, nowMs = NOW_MS, from = FROM): Admission {
    return this.server.accept(Uint8Array.from(init), CLIENT_SESSION, SERVER_SESSION, from, nowMs);
  }

  /** The answer of a server that lets the client in. */
  welcome(init: Uint8Array): {
    resp: Uint8Array;
    acceptance: Extract<Admission, { kind: 'accepted' }>['acceptance'];
  } {
    const admission = this.accept(init);
    if (admission.kind !== 'accepted') return expect.fail(`it was ${admission.kind}`);
    const { acceptance } = admission;
    const buffer = Buffer.alloc(1200);
    buffer.write('welcome', acceptance.headerBytes);
    const resp = Uint8Array.from(acceptance.seal(buffer, acceptance.headerBytes + 7));
    return { resp, acceptance };
  }
}

test('a handshake: frames in both messages, one session, and the client’s key known', () => {
  const pair = new Handshake();
  const { initiation, init } = pair.init();
  const { resp, acceptance } = pair.welcome(init);
  expect(Buffer.from(acceptance.opened.frames).toString()).toMatch(/^hello\0+$/);
  expect(acceptance.initiator).toBe(pair.clientIdentity.name);
  expect(acceptance.fresh).toBe(true);
  const answer = initiation.complete(resp, SERVER_SESSION);
  if (answer?.kind !== 'welcome') return expect.fail('no welcome');
  expect(Buffer.from(answer.opened.frames).toString()).toBe('welcome');
  const buffer = Buffer.alloc(100);
  const datagram = answer.keys.seal(buffer, 30, 1);
  expect(acceptance.keys.open(datagram, 1)).toMatchObject({ packetNumber: 1 });
  expect(answer.keys.isResetToken(pair.server.resetToken(SERVER_SESSION))).toBe(true);
  expect(acceptance.keys.isResetToken(pair.client.resetToken(CLIENT_SESSION))).toBe(true);
});

// P-100
describe('attack: scan without the key', () => {
  test('an INIT of which any byte was changed, of another length, or made for another server is dropped', () => {
    const pair = new Handshake();
    const { init } = pair.init();
    for (let at = 0; at < init.length; at++) {
      const forged = Uint8Array.from(init);
      forged[at]! ^= 0x40;
      expect(pair.accept(forged)).toEqual({ kind: 'dropped' });
    }
    for (const length of [0, 1, 31, 32, 177, 1199]) {
      expect(pair.accept(init.subarray(0, length))).toEqual({ kind: 'dropped' });
    }
    expect(pair.accept(Buffer.concat([init, Buffer.alloc(1)]))).toEqual({ kind: 'dropped' });
    const other = new Handshake({ identity: new Identity(new Uint8Array(32).fill(9)) });
    expect(other.accept(init)).toEqual({ kind: 'dropped' });
    expect(pair.accept(init).kind).toBe('accepted');
  });

  // P-126
  test('under load neither the proof of an address can be changed or made up, nor one be carried elsewhere', () => {
    const pair = new Handshake({ limits: { easyPerSecond: 0 } });
    const { initiation, init } = pair.init();
    const asked = pair.accept(init);
    if (asked.kind !== 'cookie') return expect.fail(asked.kind);
    const proved = pair.init(SWISSNUM, { cookie: initiation.openCookie(asked.datagram) }).init;
    for (const datagram of [init, proved]) {
      for (let at = init.length - 16; at < init.length; at++) {
        const forged = Uint8Array.from(datagram);
        forged[at]! ^= 0x40;
        expect(pair.accept(forged)).toEqual({ kind: 'dropped' });
      }
    }
    expect(pair.accept(proved, NOW_MS, { host: FROM.host, port: FROM.port + 1 })).toEqual({
      kind: 'dropped',
    });
    pair.startServer();
    expect(pair.accept(proved)).toEqual({ kind: 'dropped' });
  });

  test('random datagrams get no answer', () => {
    const pair = new Handshake();
    const random = new SeededRandom('scan');
    for (let i = 0; i < 20_000; i++) {
      expect(pair.accept(random.bytes(1200), NOW_MS + i)).toEqual({ kind: 'dropped' });
    }
  });
});

// P-102, P-103
describe('attack: replay of INIT', () => {
  test('in the same process it is dropped, as long as its time is good', () => {
    const pair = new Handshake();
    const { init } = pair.init();
    pair.welcome(init);
    for (const laterMs of [0, 1, 1000, 59_000]) {
      expect(pair.accept(init, NOW_MS + laterMs)).toEqual({ kind: 'dropped' });
    }
  });

  test('later it is answered with nothing but the time, and makes no session', () => {
    const pair = new Handshake();
    const { init } = pair.init();
    pair.welcome(init);
    for (const laterMs of [61_000, 200_000, 10_000_000]) {
      expect(pair.accept(init, NOW_MS + laterMs)).toMatchObject({ kind: 'refused', why: 'clock' });
    }
  });

  test('nor does a wall clock that is set back make it good again', () => {
    const pair = new Handshake();
    const { init } = pair.init();
    pair.welcome(init);
    pair.serverUnixMs -= 3_600_000;
    expect(pair.accept(init, NOW_MS + 3_600_000)).toMatchObject({ kind: 'refused', why: 'clock' });
  });

  test('after a restart it is let in, but nothing of it may run before its session is confirmed', () => {
    const pair = new Handshake();
    const { init } = pair.init();
    pair.welcome(init);
    pair.serverUnixMs += 2000;
    pair.startServer();
    expect(pair.welcome(init).acceptance.fresh).toBe(false);
  });

  test('with a register that is full, nothing runs early, and nobody is kept out', () => {
    const register = new StrikeRegister(3);
    const key = (value: number): Uint8Array => new Uint8Array(32).fill(value);
    expect([1, 2, 3, 4].map((value) => register.add(key(value), 0))).toEqual(['new', 'new', 'new', 'full']);
    expect(register.add(key(2), 0)).toBe('seen');
    expect(register.add(key(2), 119_999)).toBe('seen');
    expect(register.add(key(2), 120_000)).toBe('seen');
    expect(register.add(key(2), 240_000)).toBe('new');
    expect(register.size).toBe(1);
  });
});

// P-102
test('a client whose clock is wrong is told the time, and gets in with it', () => {
  for (const skewMs of [-3_600_000, 90_000, 1e12]) {
    const pair = new Handshake();
    pair.clientUnixMs += skewMs;
    const first = pair.init();
    const refused = pair.accept(first.init);
    if (refused.kind !== 'refused') return expect.fail(refused.kind);
    const answer = first.initiation.complete(refused.datagram, SERVER_SESSION);
    if (answer?.kind !== 'clock') return expect.fail('no time');
    const { init } = pair.init(SWISSNUM, { clockAheadMs: answer.clockAheadMs });
    expect(pair.accept(init).kind).toBe('accepted');
  }
});

// P-104
describe('attack: guessed swissnum, unlisted client', () => {
  test.each(['', 'open-sesamf', 'open-sesam', 'open-sesame ', 'x'.repeat(128)])(
    '%j is no swissnum',
    (guess) => {
      const pair = new Handshake();
      const { initiation, init } = pair.init(guess);
      const refused = pair.accept(init);
      if (refused.kind !== 'refused') return expect.fail(refused.kind);
      expect(initiation.complete(refused.datagram, SERVER_SESSION)).toEqual({ kind: 'unauthorized' });
    },
  );

  test('whichever of the two is wrong, the answer and all that follows are the same', () => {
    const seen = [true, false].flatMap((isListed) =>
      [SWISSNUM, 'guess'].map((swissnum) => {
        const pair = new Handshake({ allows: () => isListed });
        const { init, initiation } = pair.init(swissnum);
        const refused = pair.accept(init);
        if (refused.kind !== 'refused') return refused.kind;
        const answer = initiation.complete(refused.datagram, SERVER_SESSION);
        return [refused.datagram.length, answer?.kind, pair.accept(init).kind];
      }),
    );
    const refusal = [expect.any(Number), 'unauthorized', 'dropped'];
    expect(seen).toEqual(['accepted', refusal, refusal, refusal]);
    expect(new Set(seen.slice(1).map((entry) => entry[0])).size).toBe(1);
  });

  test('nobody on the way sees the swissnum, the client’s key or the capability', () => {
    const pair = new Handshake();
    const { init } = pair.init();
    const { capability } = remoteOf(pair.serverIdentity.publicKey, SWISSNUM);
    for (const secret of [Buffer.from(SWISSNUM), pair.clientIdentity.publicKey, capability]) {
      expect(Buffer.from(init).includes(Buffer.from(secret))).toBe(false);
    }
  });

  test('no printing of a protection or of a handshake shows a secret', () => {
    const pair = new Handshake();
    const { initiation, init } = pair.init();
    const { acceptance } = pair.welcome(init);
    const shown = [pair.server, initiation, acceptance].map((thing) =>
      inspect(thing, { depth: null, showHidden: true }),
    );
    const secret = inspect(pair.serverIdentity.revealSecretKey()).slice(20, 60);
    for (const text of shown) {
      expect(text).not.toContain(SWISSNUM);
      expect(text).not.toContain(secret);
    }
  });
});

// P-4, P-128
describe('attack: one key in two places', () => {
  test('an endpoint knows its ids and tokens again after a restart, and not those of another with its key', () => {
    const pair = new Handshake();
    const before = pair.server;
    const after = pair.startServer();
    const elsewhere = new Handshake({ place: '10.0.0.9:4821' }).server;
    for (let random = 0; random < 100; random++) {
      const id = before.sessionId(random);
      expect(after.mayHaveIssued(id)).toBe(true);
      expect(after.resetToken(id)).toEqual(before.resetToken(id));
      expect(elsewhere.mayHaveIssued(id)).toBe(false);
      expect(elsewhere.resetToken(id)).not.toEqual(before.resetToken(id));
    }
  });
});

// P-101
describe('attack: flood of spoofed INITs', () => {
  test('under load the address is to be proved first, for the price of a hash', () => {
    const pair = new Handshake({ limits: { easyPerSecond: 2 } });
    pair.welcome(pair.init().init);
    pair.welcome(pair.init().init);
    const { initiation, init } = pair.init();
    const asked = pair.accept(init);
    if (asked.kind !== 'cookie') return expect.fail(asked.kind);
    expect(asked.datagram).toHaveLength(COOKIE_BYTES);
    expect(COOKIE_BYTES).toBeLessThan(init.length);
    const cookie = initiation.openCookie(asked.datagram);
    expect(cookie).toBeDefined();
    const proved = pair.init(SWISSNUM, { cookie });
    expect(pair.accept(proved.init, NOW_MS, { host: FROM.host, port: FROM.port + 1 }).kind).toBe('dropped');
    expect(pair.accept(proved.init, NOW_MS, { host: '10.0.0.2', port: FROM.port }).kind).toBe('dropped');
    expect(pair.accept(proved.init).kind).toBe('accepted');
  });

  test('a cookie is good for two minutes at least and four at most, and for the INIT that it answers', () => {
    const pair = new Handshake({
      limits: { easyPerSecond: 0, perNetworkPerSecond: 1000, perNetworkBurst: 1000 },
    });
    const { initiation, init } = pair.init();
    const asked = pair.accept(init);
    if (asked.kind !== 'cookie') return expect.fail(asked.kind);
    const other = pair.init();
    expect(other.initiation.openCookie(asked.datagram)).toBeUndefined();
    const forged = Uint8Array.from(asked.datagram);
    forged[40]! ^= 1;
    expect(initiation.openCookie(forged)).toBeUndefined();
    const cookie = initiation.openCookie(asked.datagram);
    const at = (laterMs: number): string => {
      pair.clientUnixMs += laterMs;
      const { kind } = pair.accept(pair.init(SWISSNUM, { cookie }).init, NOW_MS + laterMs);
      pair.clientUnixMs -= laterMs;
      return kind;
    };
    expect([0, 119_000, 121_000, 241_000].map(at)).toEqual(['accepted', 'accepted', 'accepted', 'dropped']);
  });

  test('nor is it good for longer when nobody came for a while', () => {
    const pair = new Handshake({
      limits: { easyPerSecond: 0, perNetworkPerSecond: 1000, perNetworkBurst: 1000 },
    });
    const { initiation, init } = pair.init();
    const asked = pair.accept(init);
    if (asked.kind !== 'cookie') return expect.fail(asked.kind);
    const cookie = initiation.openCookie(asked.datagram);
    const at = (laterMs: number): string => {
      pair.clientUnixMs = 1_700_000_000_500 + laterMs;
      return pair.accept(pair.init(SWISSNUM, { cookie }).init, NOW_MS + laterMs).kind;
    };
    expect([0, 239_000, 241_000, 350_000].map(at)).toEqual(['accepted', 'accepted', 'dropped', 'dropped']);
  });

  test('who has proved an address gets no more than its network’s share, and takes nothing from others', () => {
    const pair = new Handshake({ limits: { easyPerSecond: 0 } });
    const first = pair.accept(pair.init().init);
    if (first.kind !== 'cookie') return expect.fail(first.kind);
    const kinds = (host: string, count: number): string[] =>
      Array.from({ length: count }, () => {
        const from = { host, port: FROM.port };
        const { initiation, init } = pair.init();
        const asked = pair.accept(init, NOW_MS, from);
        if (asked.kind !== 'cookie') return asked.kind;
        return pair.accept(
          pair.init(SWISSNUM, { cookie: initiation.openCookie(asked.datagram) }).init,
          NOW_MS,
          from,
        ).kind;
      });
    expect(kinds('10.1.1.1', 4)).toEqual(Array(4).fill('accepted'));
    expect(kinds('10.1.1.200', 3)).toEqual(['accepted', 'dropped', 'dropped']);
    expect(kinds('10.1.2.1', 5)).toEqual(Array(5).fill('accepted'));
  });

  test.each([
    ['10.1.2.3', '10.1.2.200', true],
    ['10.1.2.3', '10.1.3.3', false],
    ['::ffff:10.1.2.3', '10.1.2.77', true],
    ['2001:db8:1:200::1', '2001:db8:1:2ff:1:2:3:4', true],
    ['2001:db8:1:200::1', '2001:db8:1:300::1', false],
    ['fe80::1%eth0', 'fe80::2', true],
    ['::1', '::2', true],
  ])('%s and %s are of one network: %s', (a, b, same) => {
    expect(networkOf(a) === networkOf(b)).toBe(same);
  });
});

describe('attack: forged RESP', () => {
  test('leaves the attempt as it was: the true one completes it', () => {
    const pair = new Handshake();
    const { initiation, init } = pair.init();
    const { resp } = pair.welcome(init);
    for (let at = 0; at < resp.length; at++) {
      const forged = Uint8Array.from(resp);
      forged[at]! ^= 1;
      expect(initiation.complete(forged, SERVER_SESSION)).toBeUndefined();
    }
    expect(initiation.complete(resp, SERVER_SESSION + 1)).toBeUndefined();
    expect(initiation.complete(resp.subarray(0, 40), SERVER_SESSION)).toBeUndefined();
    expect(initiation.complete(resp, SERVER_SESSION)?.kind).toBe('welcome');
  });
});

describe('attack: low-order points', () => {
  // The twelve encodings of points of low order that libsodium refuses (RFC 7748, section 7; cr.yp.to/ecdh.html).
  const LOW_ORDER = [
    '0000000000000000000000000000000000000000000000000000000000000000',
    '0100000000000000000000000000000000000000000000000000000000000000',
    'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
    '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  ].map((hex) => new Uint8Array(Buffer.from(hex, 'hex')));

  test('are no keys of servers', () => {
    for (const key of LOW_ORDER) expect(isUsableKey(key)).toBe(false);
    expect(isUsableKey(new Handshake().serverIdentity.publicKey)).toBe(true);
  });

  test('are refused as ephemeral keys, though mac1 is right', async () => {
    const { PublicMacs } = await import('../../src/session/cookies.ts');
    const pair = new Handshake();
    const { init } = pair.init();
    const macs = new PublicMacs(pair.serverIdentity.publicKey);
    for (const key of LOW_ORDER) {
      const forged = Uint8Array.from(init);
      forged.set(key, 9);
      macs.writeMac1(forged, forged.length - 32);
      expect(pair.accept(forged)).toEqual({ kind: 'dropped' });
    }
  });
});
