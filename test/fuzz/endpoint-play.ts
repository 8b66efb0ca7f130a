// A client and a server endpoint, and a stranger who writes the script: which datagrams are lost, repeated or come
// late, what is said inside a session by somebody who has its keys, and what is merely thrown at a port.
//
// A script is a sequence of steps: a byte that says which, then its arguments. What must hold: nothing throws, no call
// runs twice, none settles twice, and when both have closed nothing is held any more.

import type { Random } from '../../src/base/random.ts';
import type { Callee } from '../../src/protocol/callee.ts';
import { Endpoint } from '../../src/protocol/endpoint.ts';
import type { EndpointEvent, RequestRef } from '../../src/protocol/events.ts';
import type { PathAddress } from '../../src/protocol/path.ts';
import type { Protection, Remote } from '../../src/session/protection.ts';
import { MIN_DATAGRAM_BYTES } from '../../src/wire/datagram.ts';
import { fromHex, vectors } from '../wire/vectors.ts';
import { assert, type Bytes } from './target.ts';

/** Steps of one script; the longest find little more. */
const STEPS_MAX = 48;
/** Datagrams under way that are remembered, so that they can arrive again. */
const RECORDED_MAX = 16;
/** Nothing that the two may hold comes near to it in so few steps. */
const HELD_MAX_BYTES = 64 * 1024 * 1024;

export const CLIENT: PathAddress = { host: '10.0.0.1', port: 1000 };
export const SERVER: PathAddress = { host: '10.0.0.2', port: 2000 };
export const STRANGER: PathAddress = { host: '10.0.0.3', port: 3000 };

const STEP = {
  wait: 0,
  call: 1,
  answer: 2,
  cancel: 3,
  exchange: 4,
  lose: 5,
  again: 6,
  throwAtServer: 7,
  throwAtClient: 8,
  sayToServer: 9,
  sayToClient: 10,
  init: 11,
  resp: 12,
  unreachable: 13,
  move: 14,
  distort: 15,
} as const;
const STEPS = Object.keys(STEP).length;

/** The stranger's voice: how frames become datagrams, from whoever has the keys for it. */
export interface Voice {
  readonly client: Protection;
  readonly server: Protection;
  /** By which the client knows the server. */
  readonly remote: Remote;
  /** A datagram that left one of the two. */
  overhear(datagram: Uint8Array): void;
  /** DATA in the session last begun; `undefined` before there is one. */
  dataToServer(frames: Uint8Array): Uint8Array | undefined;
  dataToClient(frames: Uint8Array): Uint8Array | undefined;
  /** The first datagram of a client of its own. */
  init(frames: Uint8Array): Uint8Array;
  /** An answer to the client's last first datagram. */
  resp(frames: Uint8Array, nowMs: number): Uint8Array | undefined;
}

interface Recorded {
  readonly to: 'client' | 'server';
  readonly bytes: Uint8Array;
}

/** One execution. */
export class EndpointPlay {
  readonly #script: Bytes;
  readonly #voice: Voice;
  readonly #callee: Callee;
  readonly #client: Endpoint;
  readonly #server: Endpoint;
  readonly #recorded: Recorded[] = [];
  readonly #requests: RequestRef[] = [];
  readonly #ran = new Set<string>();
  readonly #outstanding = new Set<number>();
  #nowMs = 0;
  #clientAddress = CLIENT;

  constructor(script: Bytes, voice: Voice, random: Random) {
    this.#script = script;
    this.#voice = voice;
    this.#callee = { id: 'server', addresses: [SERVER], remote: voice.remote };
    const endpointWith = (protection: Protection): Endpoint =>
      new Endpoint({ random, protection, datagramCeilingBytes: () => MIN_DATAGRAM_BYTES });
    this.#client = endpointWith(voice.client);
    this.#server = endpointWith(voice.server);
    this.#server.registerMethod('safe', true);
    this.#server.registerMethod('careful', false);
  }

  run(): void {
    for (let step = 0; step < STEPS_MAX && !this.#script.atEnd; step++) {
      this.#step(this.#script.byte() % STEPS);
      this.#drainEvents();
      this.#checkBounds();
    }
    this.#exchange(true);
    this.#client.close(this.#nowMs);
    this.#drainEvents();
    assert(this.#outstanding.size === 0, 'every call has settled when its endpoint is closed');
    this.#exchange(true);
    this.#client.dispose();
    this.#server.dispose();
    for (const { gauges } of [this.#client, this.#server]) {
      const { reassemblyBytes, keptAnswerBytes, outstandingBytes, promisedBytes } = gauges;
      assert(
        reassemblyBytes + keptAnswerBytes + outstandingBytes + promisedBytes === 0,
        'a closed endpoint holds nothing',
      );
    }
  }

  #step(step: number): void {
    const bytes = this.#script;
    switch (step) {
      case STEP.wait:
        this.#wait(bytes.byte() ** 2 / 4);
        return;
      case STEP.call: {
        const kind = bytes.byte();
        const callId = this.#client.call(
          this.#callee,
          {
            method: kind % 2 === 0 ? 'safe' : 'careful',
            body: [new Uint8Array(sizeOf(bytes.byte()))],
            deadline: kind % 3 === 0 ? 'adaptive' : 1000 * (kind % 3),
            idempotent: kind % 5 === 0,
            expectedBytes: 0,
          },
          this.#nowMs,
        );
        this.#outstanding.add(callId);
        return;
      }
      case STEP.answer: {
        const request = this.#requests[bytes.byte() % Math.max(1, this.#requests.length)];
        if (request !== undefined)
          this.#server.answer(request, [new Uint8Array(sizeOf(bytes.byte()))], this.#nowMs);
        return;
      }
      case STEP.cancel: {
        const callId = bytes.byte();
        if (this.#client.cancel(callId, this.#nowMs)) this.#outstanding.delete(callId);
        return;
      }
      case STEP.exchange:
        this.#exchange(true);
        return;
      case STEP.lose:
        this.#exchange(false);
        return;
      case STEP.again: {
        const recorded = this.#recorded[bytes.byte() % Math.max(1, this.#recorded.length)];
        if (recorded !== undefined) this.#deliver(recorded.to, recorded.bytes.slice());
        return;
      }
      case STEP.throwAtServer:
        this.#server.receive(bytes.run(), STRANGER, this.#nowMs);
        return;
      case STEP.throwAtClient:
        this.#client.receive(bytes.run(), SERVER, this.#nowMs);
        return;
      case STEP.sayToServer:
        this.#deliver('server', this.#voice.dataToServer(bytes.run()));
        return;
      case STEP.sayToClient:
        this.#deliver('client', this.#voice.dataToClient(bytes.run()));
        return;
      case STEP.init:
        this.#server.receive(this.#voice.init(bytes.run()), STRANGER, this.#nowMs);
        return;
      case STEP.resp:
        this.#deliver('client', this.#voice.resp(bytes.run(), this.#nowMs));
        return;
      case STEP.unreachable:
        this.#client.onSendError(SERVER, 'EHOSTUNREACH', MIN_DATAGRAM_BYTES, this.#nowMs);
        return;
      case STEP.distort: {
        const recorded = this.#recorded[bytes.byte() % Math.max(1, this.#recorded.length)];
        const distorted = recorded?.bytes.slice() ?? new Uint8Array(1);
        // From the end: there stands what proves that nothing was changed.
        distorted[distorted.length - 1 - (bytes.byte() % distorted.length)]! ^= bytes.byte();
        if (recorded !== undefined) this.#deliver(recorded.to, distorted);
        return;
      }
      default:
        this.#clientAddress = { host: CLIENT.host, port: 1000 + bytes.byte() };
    }
  }

  #wait(forMs: number): void {
    const untilMs = this.#nowMs + forMs;
    // Times at which nothing moves would be a hang; 64 of them are more than a second has.
    for (let turn = 0; turn < 64; turn++) {
      const atMs = Math.min(this.#client.timerAtMs(), this.#server.timerAtMs());
      if (atMs > untilMs) break;
      this.#nowMs = Math.max(this.#nowMs, atMs);
      this.#client.onTimer(this.#nowMs);
      this.#server.onTimer(this.#nowMs);
      this.#exchange(false);
    }
    this.#nowMs = untilMs;
  }

  #exchange(arrives: boolean): void {
    for (const to of ['server', 'client'] as const) {
      const from = to === 'server' ? this.#client : this.#server;
      for (let next = from.pollTransmit(this.#nowMs); next; next = from.pollTransmit(this.#nowMs)) {
        const bytes = new Uint8Array(next.bytes);
        this.#voice.overhear(bytes);
        if (this.#recorded.length < RECORDED_MAX) this.#recorded.push({ to, bytes });
        if (arrives) this.#deliver(to, bytes.slice());
      }
    }
    this.#drainEvents();
  }

  #deliver(to: Recorded['to'], bytes: Uint8Array | undefined): void {
    if (bytes === undefined) return;
    if (to === 'server') this.#server.receive(bytes, this.#clientAddress, this.#nowMs);
    else this.#client.receive(bytes, SERVER, this.#nowMs);
  }

  #drainEvents(): void {
    for (let event = this.#client.pollEvent(); event; event = this.#client.pollEvent()) this.#onClient(event);
    for (let event = this.#server.pollEvent(); event; event = this.#server.pollEvent()) {
      if (event.type !== 'request') continue;
      const name = `${event.ref.clientEpoch} ${event.ref.callId}`;
      assert(!this.#ran.has(name), 'a call runs once');
      this.#ran.add(name);
      this.#requests.push(event.ref);
    }
  }

  #onClient(event: EndpointEvent): void {
    if (event.type !== 'answered' && event.type !== 'failed') return;
    assert(this.#outstanding.delete(event.callId), 'a call settles once');
  }

  #checkBounds(): void {
    for (const { gauges } of [this.#client, this.#server]) {
      const { reassemblyBytes, keptAnswerBytes } = gauges;
      assert(reassemblyBytes + keptAnswerBytes < HELD_MAX_BYTES, 'what is held is bounded');
    }
  }
}

/** Most messages are small; some are larger than what may be sent without a grant. */
function sizeOf(byte: number): number {
  return byte < 240 ? 4 * byte : 300 * byte;
}

/** Steps, and what belongs to each. */
export function script(...steps: readonly (readonly number[])[]): Uint8Array {
  return Uint8Array.from(steps.flat());
}

/** Scripts to begin with: calls, losses, repeats, and each frame said to either side. */
export const SCRIPTS: readonly Uint8Array[] = [
  script(
    [STEP.call, 0, 3],
    [STEP.exchange],
    [STEP.exchange],
    [STEP.answer, 0],
    [STEP.exchange],
    [STEP.wait, 20],
  ),
  script(
    [STEP.call, 1, 3],
    [STEP.exchange],
    [STEP.exchange],
    [STEP.exchange],
    [STEP.answer, 1],
    [STEP.exchange],
    [STEP.wait, 80],
  ),
  script(
    [STEP.call, 0, 200],
    [STEP.lose],
    [STEP.wait, 40],
    [STEP.exchange],
    [STEP.again, 0],
    [STEP.again, 1],
  ),
  script(
    [STEP.call, 0, 9],
    [STEP.exchange],
    [STEP.exchange],
    [STEP.call, 1, 9],
    [STEP.cancel, 0],
    [STEP.exchange],
  ),
  script(
    [STEP.call, 0, 9],
    [STEP.exchange],
    [STEP.move, 1],
    [STEP.exchange],
    [STEP.unreachable],
    [STEP.wait, 100],
  ),
  ...vectors.frames.good.flatMap(({ hex }) => {
    const frame = fromHex(hex);
    if (frame.length > 200) return [];
    const begin = [[STEP.call, 0, 3], [STEP.exchange], [STEP.exchange], [STEP.answer, 0], [STEP.exchange]];
    return [
      script(...begin, [STEP.sayToServer, frame.length, ...frame]),
      script(...begin, [STEP.sayToClient, frame.length, ...frame]),
      script([STEP.init, frame.length, ...frame]),
    ];
  }),
  script(
    [STEP.call, 0, 3],
    [STEP.exchange],
    [STEP.distort, 0, 3, 1],
    [STEP.exchange],
    [STEP.distort, 1, 9, 4],
  ),
  script(
    [STEP.call, 0, 3],
    [STEP.resp, 1, 1],
    [STEP.init, 1, 1],
    [STEP.exchange],
    [STEP.init, 1, 1],
    [STEP.init, 0],
  ),
];

export const FRAMES: readonly Uint8Array[] = vectors.frames.good
  .map(({ hex }) => fromHex(hex))
  .filter(({ length }) => length < 64);
