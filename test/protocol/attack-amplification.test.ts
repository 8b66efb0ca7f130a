// Attacks that make a server send to who has not asked: an address gets at most three times what came from it,
// until it has shown that it is there.

import { describe, expect, test } from 'vitest';
import type { PathAddress } from '../../src/protocol/path.ts';
import type { Frame } from '../../src/wire/frame.ts';
import { CLIENT, dataDatagram, initDatagram, TwoEndpoints } from './two-endpoints.ts';

const ATTACKER: PathAddress = { host: '10.6.6.6', port: 666 };
const VICTIM: PathAddress = { host: '10.7.7.7', port: 7 };
const PING: Frame = { type: 'ping' };
const EPOCH = 4711;

function hello(knownEpoch = 0): Frame {
  return { type: 'hello', epoch: EPOCH, knownEpoch, maxDatagramBytes: 65_000, initialGrantBytes: 2 ** 40 };
}

function request(callId: number): Frame {
  const data = Buffer.concat([Buffer.of(4), Buffer.from('safe'), Buffer.of(0xf6)]);
  return { type: 'request-start', callId, firstIncomplete: 0, remainingMs: 0, total: data.length, data };
}

/** What came, seemingly, from the victim, and what went to it. */
class Attack {
  readonly wire = new TwoEndpoints();
  #number = 1;
  fromVictimBytes = 0;

  send(bytes: Uint8Array, from: PathAddress): void {
    if (from === VICTIM) this.fromVictimBytes += bytes.length;
    this.wire.forge(bytes, from);
  }

  data(session: number, frames: readonly Frame[], from: PathAddress): void {
    this.send(dataDatagram(session, this.#number++, frames), from);
  }

  get toVictimBytes(): number {
    return this.wire.sent.filter(({ to }) => to === VICTIM).reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  /** The session of the last RESP that went to this address. */
  sessionOf(to: PathAddress): number {
    const header = this.wire.sent.findLast((sent) => sent.to === to && sent.header.kind === 'resp')?.header;
    return header?.kind === 'resp' ? header.from : expect.fail('no RESP went there');
  }
}

describe('attack: address hijack: a victim’s address', () => {
  test('is not proven by a packet of a session that was begun from elsewhere', () => {
    const attack = new Attack();
    attack.send(initDatagram(1, [hello(), PING]), ATTACKER);
    attack.wire.run(20);
    const session = attack.sessionOf(ATTACKER);
    attack.send(initDatagram(2, [hello(), PING]), VICTIM);
    attack.data(session, [request(1)], ATTACKER);
    attack.data(session, [request(2)], VICTIM);
    for (const { ref } of attack.wire.requests) attack.wire.answer(new Uint8Array(1_000_000), ref);
    attack.wire.run(1000);
    expect(attack.toVictimBytes).toBeLessThanOrEqual(3 * attack.fromVictimBytes);
  });

  test('is not proven by confirming a session after the one in use has moved there', () => {
    const attack = new Attack();
    attack.send(initDatagram(1, [hello(), PING]), ATTACKER);
    attack.wire.run(20);
    const first = attack.sessionOf(ATTACKER);
    attack.data(first, [PING], ATTACKER);
    attack.send(initDatagram(2, [hello(), PING]), ATTACKER);
    attack.wire.run(20);
    const second = attack.sessionOf(ATTACKER);
    expect(second).not.toBe(first);
    attack.data(first, [request(1)], VICTIM);
    attack.data(second, [request(2)], VICTIM);
    for (const { ref } of attack.wire.requests) attack.wire.answer(new Uint8Array(1_000_000), ref);
    attack.wire.run(1000);
    expect(attack.toVictimBytes).toBeLessThanOrEqual(3 * attack.fromVictimBytes);
  });
});

describe('attack: amplification: a victim’s address', () => {
  test('gets no more than three times as much for the smallest of packets', () => {
    const attack = new Attack();
    attack.send(initDatagram(1, [hello(), PING]), ATTACKER);
    attack.wire.run(20);
    const session = attack.sessionOf(ATTACKER);
    // Handlers that do not answer: for each there is a WORKING to be said.
    for (let i = 0; i < 8; i++) {
      const requests = Array.from({ length: 40 }, (_, j) => request(40 * i + j));
      attack.data(session, requests, ATTACKER);
    }
    attack.data(session, [PING], VICTIM);
    attack.wire.run(6);
    for (let i = 0; i < 10; i++) {
      attack.data(session, [PING], ATTACKER);
      attack.data(session, [PING], VICTIM);
      attack.wire.run(1);
    }
    attack.wire.run(10_000);
    expect(attack.toVictimBytes).toBeLessThanOrEqual(3 * attack.fromVictimBytes);
  });
});

describe('a client that really moves', () => {
  test('is sent the rest of its answer though the first PATH-CHALLENGE is lost', () => {
    const wire = new TwoEndpoints().warmUp();
    const callId = wire.call('safe');
    wire.run(15);
    let challenges = 0;
    wire.lose = ({ frames }) => frames.some(({ type }) => type === 'path-challenge') && challenges++ === 0;
    wire.clientAddress = { host: CLIENT.host, port: 1001 };
    wire.answer(new Uint8Array(300_000));
    wire.run(5000);
    expect(challenges).toBeGreaterThan(0);
    expect(wire.answers.get(callId)?.length).toBe(300_000);
  });
});
