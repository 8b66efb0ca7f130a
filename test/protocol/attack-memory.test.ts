// Claims on memory that cost whoever makes them nothing: a few bytes of a message that says it is long.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import type { PathAddress } from '../../src/protocol/path.ts';
import { ServerCall } from '../../src/protocol/server-call.ts';
import { RESP_HEADER_BYTES, writeDataHeader, writeRespHeader } from '../../src/wire/datagram.ts';
import { FRAME, type Frame } from '../../src/wire/frame.ts';
import { writeVarint } from '../../src/wire/varint.ts';
import { encodeFrame } from '../wire/vectors.ts';
import { calleeAt, dataDatagram, initDatagram, LATENCY_MS, TwoEndpoints } from './two-endpoints.ts';

const MIB = 1024 * 1024;
const LIMITS = { maxReassemblyBytes: 8 * MIB, maxReassemblyBytesPerPeer: 4 * MIB };

function hello(epoch: number): Frame {
  return { type: 'hello', epoch, knownEpoch: 0, maxDatagramBytes: 65_000, initialGrantBytes: 65_536 };
}

/** A request for a method, or what it begins with. */
function request(callId: number, method: string, total: number, bytes: number = total): Frame {
  const data = Buffer.alloc(bytes);
  data[0] = method.length;
  data.write(method, 1);
  return { type: 'request-start', callId, firstIncomplete: 0, remainingMs: 0, total, data };
}

/** A client of its own beside the wire's; nothing of what is sent to it arrives. */
class Hoarder {
  readonly #wire: TwoEndpoints;
  readonly #address: PathAddress;
  readonly #session: number;
  #number = 1;

  constructor(wire: TwoEndpoints, epoch: number) {
    this.#wire = wire;
    this.#address = { host: '10.6.6.6', port: epoch };
    wire.forge(initDatagram(epoch, [hello(epoch), { type: 'ping' }]), this.#address);
    const resp = wire.sent.findLast(({ to, header }) => to.port === epoch && header.kind === 'resp')?.header;
    this.#session = resp?.kind === 'resp' ? resp.from : expect.fail('no RESP');
  }

  send(frames: readonly Frame[]): void {
    this.#wire.forge(dataDatagram(this.#session, this.#number++, frames), this.#address);
  }
}

describe('attack: hoarding of memory: clients that begin long requests', () => {
  test('and do not go on, leave room for one who does', () => {
    const wire = new TwoEndpoints({ server: LIMITS }).warmUp();
    wire.lose = ({ to }) => to.host === '10.6.6.6';
    for (const epoch of [1, 2, 3]) {
      const hoarder = new Hoarder(wire, epoch);
      hoarder.send([0, 1, 2, 3].map((callId) => request(callId, 'safe', MIB, 10)));
    }
    expect(wire.server.gauges.reassemblyBytes).toBe(8 * MIB);
    wire.call('safe', { body: new Uint8Array(MIB) });
    wire.run(1000);
    expect(wire.requests.at(-1)?.body).toHaveLength(MIB);
  });

  test('and make their handlers hang, have no more than their share at work', () => {
    const wire = new TwoEndpoints({ server: LIMITS }).warmUp();
    wire.requests.length = 0;
    wire.lose = ({ to }) => to.host === '10.6.6.6';
    for (const epoch of [1, 2, 3]) {
      const hoarder = new Hoarder(wire, epoch);
      for (let callId = 0; callId < 200; callId++) hoarder.send([request(callId, 'safe', 60_000)]);
    }
    const held = wire.requests.reduce((sum, { body }) => sum + body.length, 0);
    expect(held).toBeGreaterThan(7 * MIB);
    expect(held).toBeLessThanOrEqual(8 * MIB);
    for (const { ref } of wire.requests) wire.server.answer(ref, [new Uint8Array(1)], wire.nowMs);
    expect(wire.server.gauges.reassemblyBytes).toBe(0);
  });

  test('and park them in first datagrams from any address, make room for who has proved its own', () => {
    const wire = new TwoEndpoints({ server: LIMITS }).warmUp();
    wire.lose = ({ by, to }) => by === 'server' && to.host !== '10.0.0.1';
    for (let epoch = 1; epoch <= 400; epoch++) {
      const spoofed = initDatagram(epoch, [hello(epoch), request(0, 'careful', 60_000)], 60_100);
      wire.forge(spoofed, { host: '10.7.7.7', port: epoch });
    }
    expect(wire.server.gauges.reassemblyBytes).toBeGreaterThan(7 * MIB);
    expect(wire.server.gauges.reassemblyBytes).toBeLessThanOrEqual(8 * MIB);
    wire.call('safe', { body: new Uint8Array(3 * MIB) });
    wire.run(1000);
    expect(wire.requests.at(-1)?.body).toHaveLength(3 * MIB);
  });
});

describe('a short request, parked', () => {
  test('keeps nothing of the long first datagram that it came in', () => {
    const wire = new TwoEndpoints().warmUp();
    const attacker: PathAddress = { host: '10.6.6.6', port: 7 };
    wire.forge(initDatagram(7, [hello(7), request(0, 'careful', 60)], 65_000), attacker);
    expect(wire.requests).toHaveLength(1);
    const { header } = wire.sent.findLast(({ to }) => to.port === 7)!;
    const session = header.kind === 'resp' ? header.from : expect.fail('no RESP');
    wire.forge(dataDatagram(session, 1, [{ type: 'ping' }]), attacker);
    expect(wire.requests).toHaveLength(2);
    const { method, body } = wire.requests[1]!;
    expect([method, body.length]).toEqual(['careful', 60 - 8]);
    expect(body.buffer.byteLength).toBe(60);
  });
});

/** REQUEST of call 50, of 16 MiB. */
function writePieceOfOneByte(target: Uint8Array, at: number, offset: number): number {
  target[at++] = FRAME.request;
  for (const field of [50, offset, 16 * MIB, 1]) at = writeVarint(target, at, field);
  return at + 1;
}

describe('attack: hoarding of memory: a request in very many pieces', () => {
  // Each hole took 16 bytes, and a walk along all of them for the next piece.
  test('with a hole between any two is refused', () => {
    const wire = new TwoEndpoints().warmUp();
    const { serverSession } = wire;
    let at = 16 * MIB;
    for (let packetNumber = 100_000; packetNumber < 100_400; packetNumber++) {
      const datagram = new Uint8Array(1200);
      let end = writeDataHeader(datagram, serverSession, packetNumber);
      while (end < 1150) {
        at -= 2;
        end = writePieceOfOneByte(datagram, end, at);
      }
      wire.forge(datagram.subarray(0, end));
      if (packetNumber % 10 === 0) wire.run(2 * LATENCY_MS);
    }
    expect(wire.server.stats.peerErrors).toBe(1);
    expect(wire.server.gauges.reassemblyBytes).toBe(0);
  });
});

describe('a first datagram repeated for ever', () => {
  test('leaves a call with the newest sessions only', () => {
    const call = new ServerCall(1, 10, { onCallTimer: () => {}, forgetAnswer: () => {} });
    for (let session = 1; session <= 1000; session++) {
      for (let piece = 0; piece < 10; piece++) call.parkOn(session);
    }
    expect(call.parkedOn).toEqual([997, 998, 999, 1000]);
  });
});

describe('a server that has vanished', () => {
  test('leaves nothing of the calls whose last byte waited for it', () => {
    const wire = new TwoEndpoints().warmUp();
    wire.run(11_000);
    wire.lose = () => true;
    const before = bytesInUse();
    const calls = [1, 2, 3, 4].map(() => wire.call('careful', { body: new Uint8Array(15 * MIB) }));
    wire.run(10_000);
    expect(calls.map((callId) => wire.failures.get(callId)?.code)).toEqual(Array(4).fill('PEER_SILENT'));
    // Besides what is kept for the next message there is nothing of that size.
    expect(bytesInUse() - before).toBeLessThan(25 * MIB);
  });
});

/** Of array buffers that somebody still refers to. */
function bytesInUse(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  // The second one waits for what the first one has left to do.
  collect();
  collect();
  return process.memoryUsage().arrayBuffers;
}

// P-127
describe('attack: hoarding of memory: many that never fetch their answers', () => {
  const HOARDERS = Array.from({ length: 120 }, (_, i) => i + 1);

  function hoardedAnswers(wire: TwoEndpoints, from: number): void {
    for (const { ref } of wire.requests.slice(from)) wire.answer(new Uint8Array(10_000), ref);
    expect(wire.server.gauges.keptAnswerBytes).toBeGreaterThan(0.98 * MIB);
  }

  function expectLongAnswer(wire: TwoEndpoints): void {
    const callId = wire.call('safe');
    wire.run(5 * LATENCY_MS);
    wire.answer(new Uint8Array(200_000));
    wire.run(1000);
    expect(wire.answers.get(callId)).toHaveLength(200_000);
  }

  test('and may not even be where they say, push out nobody else’s', () => {
    const wire = new TwoEndpoints({ server: { maxKeptResponseBytes: MIB } }).warmUp();
    wire.lose = ({ to }) => to.host === '10.7.7.7';
    for (const port of HOARDERS) {
      wire.forge(initDatagram(port, [hello(port), request(0, 'safe', 60)]), { host: '10.7.7.7', port });
    }
    hoardedAnswers(wire, 1);
    expectLongAnswer(wire);
  });

  test('and were there, push out nobody else’s once they have been gone for a minute', () => {
    const wire = new TwoEndpoints({ server: { maxKeptResponseBytes: MIB } }).warmUp();
    wire.lose = ({ to }) => to.host === '10.6.6.6';
    for (const epoch of HOARDERS) new Hoarder(wire, epoch).send([request(0, 'safe', 60)]);
    hoardedAnswers(wire, 1);
    wire.run(61_000);
    expectLongAnswer(wire);
  });
});

describe('attack: hoarding of memory: servers that announce long answers', () => {
  test('and do not go on, leave room for one who does', () => {
    const wire = new TwoEndpoints({ client: LIMITS }).warmUp();
    const hoarders = [1, 2, 3].map((port): PathAddress => ({ host: '10.6.6.6', port }));
    wire.lose = ({ to }) => to.host === '10.6.6.6';
    for (const hoarder of hoarders) {
      const options = {
        method: 'safe',
        body: [Buffer.of(1)],
        deadline: 60_000,
        idempotent: false,
        expectedBytes: 0,
      };
      const ids = [0, 1, 2, 3].map(() => wire.client.call(calleeAt(hoarder), options, wire.nowMs));
      wire.run(0);
      const init = wire.sent.findLast(({ to }) => to === hoarder)!.header;
      if (init.kind !== 'init') throw new Error('no INIT');
      const header = new Uint8Array(RESP_HEADER_BYTES);
      writeRespHeader(header, init.from, 77 + hoarder.port);
      const answers = ids.map((callId): Frame => {
        return { type: 'response-start', callId, status: 0, heldUs: 0, total: MIB, data: Buffer.alloc(10) };
      });
      const frames = [hello(hoarder.port), ...answers].map(encodeFrame);
      wire.client.receive(Buffer.concat([header, ...frames]), hoarder, wire.nowMs);
    }
    expect(wire.client.gauges.reassemblyBytes).toBe(8 * MIB);
    const callId = wire.call('safe');
    wire.run(2 * LATENCY_MS);
    wire.answer(new Uint8Array(MIB));
    wire.run(1000);
    expect(wire.answers.get(callId)).toHaveLength(MIB);
    expect(wire.failures.size).toBeGreaterThan(0);
    expect([...wire.failures.values()].every(({ code }) => code === 'OVERLOADED')).toBe(true);
  });
});
