// Two endpoints and the wire between them, at virtual time: every datagram can be seen, lost, kept and forged.
// Nothing random but the ids; for a network that misbehaves by chance see sim/.

import type { ErrorDetail, Executed, RpcErrorCode } from '../../src/base/error-code.ts';
import type { Callee } from '../../src/protocol/callee.ts';
import type { ProtocolConfig } from '../../src/protocol/config.ts';
import { Endpoint, type EndpointCall } from '../../src/protocol/endpoint.ts';
import type { EndpointEvent, RequestRef } from '../../src/protocol/events.ts';
import type { PathAddress } from '../../src/protocol/path.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import {
  DATA_HEADER_BYTES,
  type DatagramHeader,
  INIT_HEADER_BYTES,
  MIN_DATAGRAM_BYTES,
  readHeader,
  writeDataHeader,
  writeInitHeader,
} from '../../src/wire/datagram.ts';
import { decodeFrames, type Frame } from '../../src/wire/frame.ts';
import { encodeFrame } from '../wire/vectors.ts';
import { PLAIN_TAG_BYTES, plainProtection } from './plain-protection.ts';

export const CLIENT: PathAddress = { host: '10.0.0.1', port: 1000 };
export const SERVER: PathAddress = { host: '10.0.0.2', port: 2000 };

/** What is at an address, to call it. */
export function calleeAt(address: PathAddress): Callee {
  const key = new Uint8Array(32);
  return { id: `${address.host} ${address.port}`, addresses: [address], remote: { key, capability: key } };
}

/** One way. */
export const LATENCY_MS = 10;

/** A datagram that an endpoint has sent. */
export interface Sent {
  readonly atMs: number;
  readonly by: 'client' | 'server';
  readonly to: PathAddress;
  readonly bytes: Uint8Array;
  readonly header: DatagramHeader;
  readonly frames: readonly Frame[];
}

export interface Options {
  readonly client?: Partial<ProtocolConfig>;
  readonly server?: Partial<ProtocolConfig>;
  /** Largest datagram of the interfaces; 1200 by default: no probes for the size. */
  readonly ceilingBytes?: number;
  readonly seed?: number;
}

/** A failed call. */
export interface Failure {
  readonly code: RpcErrorCode;
  readonly executed: Executed;
  readonly detail?: ErrorDetail;
}

/** The server knows the methods `safe` (runs from a first datagram) and `careful`; they answer when told to. */
export class TwoEndpoints {
  readonly client: Endpoint;
  server: Endpoint;
  nowMs = 0;
  readonly sent: Sent[] = [];
  /** True: this datagram does not arrive. */
  lose: (sent: Sent) => boolean = () => false;
  /** Where the client's datagrams seem to come from. */
  clientAddress: PathAddress = CLIENT;
  readonly requests: Extract<EndpointEvent, { type: 'request' }>[] = [];
  readonly requestsCancelled: Extract<EndpointEvent, { type: 'request-cancelled' }>[] = [];
  readonly answers: Map<number, Uint8Array> = new Map<number, Uint8Array>();
  readonly failures: Map<number, Failure> = new Map<number, Failure>();
  readonly otherEvents: EndpointEvent[] = [];
  readonly #options: Options;
  #seed: number;
  readonly #underWay: { readonly atMs: number; readonly arrive: () => void }[] = [];

  constructor(options: Options = {}) {
    this.#options = options;
    this.#seed = options.seed ?? 1;
    this.client = this.#endpoint(options.client);
    this.server = this.#newServer();
  }

  #endpoint(config: Partial<ProtocolConfig> = {}): Endpoint {
    return new Endpoint({
      random: new SeededRandom(this.#seed++),
      protection: plainProtection(),
      datagramCeilingBytes: () => this.#options.ceilingBytes ?? MIN_DATAGRAM_BYTES,
      config,
    });
  }

  #newServer(): Endpoint {
    const server = this.#endpoint(this.#options.server);
    server.registerMethod('safe', true);
    server.registerMethod('careful', false);
    return server;
  }

  /** The server's process ends, and another begins at its address. */
  restartServer(): void {
    this.server = this.#newServer();
  }

  /** Starts a call; run() sends it. */
  call(method: string, options: Partial<Omit<EndpointCall, 'body'>> & { body?: Uint8Array } = {}): number {
    const { body = new Uint8Array(10), ...rest } = options;
    const call: EndpointCall = {
      method,
      body: [body],
      deadline: Number.POSITIVE_INFINITY,
      idempotent: false,
      expectedBytes: 0,
      ...rest,
    };
    const callId = this.client.call(calleeAt(SERVER), call, this.nowMs);
    this.#drainEvents();
    return callId;
  }

  cancel(callId: number): void {
    this.client.cancel(callId, this.nowMs);
  }

  /** Answers a request, by default the last one. */
  answer(body: Uint8Array = Uint8Array.of(1), ref: RequestRef = this.requests.at(-1)!.ref): void {
    this.server.answer(ref, [body], this.nowMs);
  }

  /** A call that has been answered: the session is established and confirmed, round trips are known. */
  warmUp(): this {
    const callId = this.call('safe');
    this.run(3 * LATENCY_MS);
    this.answer();
    this.run(100);
    if (!this.answers.has(callId)) throw new Error('the first call was not answered');
    this.sent.length = 0;
    return this;
  }

  /** A datagram arrives at the server, from whoever. */
  forge(bytes: Uint8Array, from: PathAddress = this.clientAddress): void {
    this.server.receive(bytes, from, this.nowMs);
    this.#exchange();
  }

  /** The client's next packet in its session, with these frames, at once; the client does not know of it. */
  forgeData(frames: readonly Frame[], from: PathAddress = this.clientAddress): void {
    this.forge(dataDatagram(this.serverSession, this.#forgedNumber++, frames), from);
  }

  #forgedNumber = 5000;

  /** The id that the server receives with, in the session last begun. */
  get serverSession(): number {
    const resp = this.#all.findLast(({ header }) => header.kind === 'resp')?.header;
    if (resp?.kind !== 'resp') throw new Error('there is no session yet');
    return resp.from;
  }

  /** The INIT and the RESP of the first session. */
  get firstInit(): Sent | undefined {
    return this.#all.find(({ header }) => header.kind === 'init');
  }

  get firstResp(): Sent | undefined {
    return this.#all.find(({ header }) => header.kind === 'resp');
  }

  /** The id that the client receives with, in the session last begun. */
  get clientSession(): number {
    const resp = this.#all.findLast(({ header }) => header.kind === 'resp')?.header;
    if (resp?.kind !== 'resp') throw new Error('there is no session yet');
    return resp.to;
  }

  readonly #all: Sent[] = [];

  /** Lets this much time pass, with everything that happens in it. */
  run(forMs: number): void {
    const untilMs = this.nowMs + forMs;
    this.#exchange();
    for (;;) {
      const arrivalAtMs = this.#underWay[0]?.atMs ?? Number.POSITIVE_INFINITY;
      const timerAtMs = Math.min(this.client.timerAtMs(), this.server.timerAtMs());
      const nextMs = Math.min(arrivalAtMs, timerAtMs);
      if (nextMs > untilMs) break;
      this.nowMs = Math.max(this.nowMs, nextMs);
      if (arrivalAtMs <= timerAtMs) this.#underWay.shift()!.arrive();
      else {
        this.client.onTimer(this.nowMs);
        this.server.onTimer(this.nowMs);
      }
      this.#exchange();
    }
    this.nowMs = untilMs;
  }

  /** Frames of one type that one side has sent, in order. */
  framesOf<T extends Frame['type']>(by: Sent['by'], type: T): Extract<Frame, { type: T }>[] {
    return this.sent
      .filter((sent) => sent.by === by)
      .flatMap((sent) => sent.frames.filter((frame) => frame.type === type) as Extract<Frame, { type: T }>[]);
  }

  sentBy(by: Sent['by'], kind?: DatagramHeader['kind']): Sent[] {
    return this.sent.filter((sent) => sent.by === by && (kind === undefined || sent.header.kind === kind));
  }

  #exchange(): void {
    this.#drainEvents();
    for (const by of ['client', 'server'] as const) {
      const [from, to] = by === 'client' ? [this.client, this.server] : [this.server, this.client];
      for (let next = from.pollTransmit(this.nowMs); next; next = from.pollTransmit(this.nowMs)) {
        const sent = describeDatagram(this.nowMs, by, next.to, next.bytes);
        this.sent.push(sent);
        this.#all.push(sent);
        if (this.lose(sent)) continue;
        const source = by === 'client' ? this.clientAddress : SERVER;
        // A copy: what is under way does not change.
        const bytes = Buffer.from(next.bytes);
        this.#underWay.push({
          atMs: this.nowMs + LATENCY_MS,
          arrive: () => (by === 'client' ? this.server : to).receive(bytes, source, this.nowMs),
        });
      }
    }
    this.#drainEvents();
  }

  #drainEvents(): void {
    for (const endpoint of [this.client, this.server]) {
      for (let event = endpoint.pollEvent(); event; event = endpoint.pollEvent()) {
        if (event.type === 'request') this.requests.push(event);
        else if (event.type === 'request-cancelled') this.requestsCancelled.push(event);
        else if (event.type === 'answered') this.answers.set(event.callId, event.body);
        else if (event.type === 'failed') {
          const { code, executed, detail } = event;
          this.failures.set(event.callId, { code, executed, ...(detail && { detail }) });
        } else this.otherEvents.push(event);
      }
    }
  }
}

function describeDatagram(atMs: number, by: Sent['by'], to: PathAddress, bytes: Uint8Array): Sent {
  const header = readHeader(bytes);
  const headerBytes = { init: INIT_HEADER_BYTES, resp: DATA_HEADER_BYTES, data: DATA_HEADER_BYTES };
  const at = header.kind in headerBytes ? headerBytes[header.kind as keyof typeof headerBytes] : bytes.length;
  const frames = decodeFrames(bytes.subarray(at));
  if (frames === undefined) throw new Error(`the ${by} has sent frames that nobody can read`);
  return { atMs, by, to, bytes, header, frames };
}

/** A DATA datagram of these frames. */
export function dataDatagram(session: number, packetNumber: number, frames: readonly Frame[]): Uint8Array {
  const header = new Uint8Array(DATA_HEADER_BYTES);
  writeDataHeader(header, session, packetNumber);
  return Buffer.concat([header, ...frames.map(encodeFrame), new Uint8Array(PLAIN_TAG_BYTES)]);
}

/** A padded INIT of these frames. */
export function initDatagram(
  session: number,
  frames: readonly Frame[],
  sizeBytes: number = MIN_DATAGRAM_BYTES,
): Uint8Array {
  const datagram = new Uint8Array(sizeBytes);
  let at = writeInitHeader(datagram, session);
  for (const frame of frames) {
    const bytes = encodeFrame(frame);
    datagram.set(bytes, at);
    at += bytes.length;
  }
  return datagram;
}
