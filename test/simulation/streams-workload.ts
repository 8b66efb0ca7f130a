// The streams that the clients of a run read and send, the handlers at their other end, and what must be true of them:
// bytes come in order and whole or the stream fails, a handler runs once, and no end goes on when the other has ended.

import type { Clock } from '../../src/base/clock.ts';
import type { SeededRandom } from '../../src/sim/random.ts';
import { RpcError } from '../../src/transport/error.ts';
import type { HandlerContext } from '../../src/transport/transport.ts';
import { isPattern, pattern } from './call-ledger.ts';
import type { ClientNode, ServerNode } from './nodes.ts';
import type { SimPlan } from './plan.ts';
import type { Findings } from './violations.ts';

/** A stream that a client is to begin. */
interface StreamSpec {
  readonly number: number;
  readonly client: number;
  readonly server: number;
  readonly atMs: number;
  /** What goes up, if anything does. */
  readonly uploadBytes: number | undefined;
  /** What comes down; undefined: the answer is a value. */
  readonly answerBytes: number | undefined;
  readonly pieceBytes: number;
  /** Between two pieces, at the reader and at the producer. */
  readonly readerMs: number;
  readonly producerMs: number;
  readonly deadline: 'adaptive' | number;
  /** The reader stops behind so many bytes. */
  readonly leaveAfterBytes: number | undefined;
  readonly cancelAfterMs: number | undefined;
}

interface StreamRecord {
  readonly spec: StreamSpec;
  /** Undefined while it goes on; `lost`: with its process. */
  end: 'whole' | 'left' | 'cancelled' | 'failed' | 'lost' | undefined;
  runs: number;
  /** Its upload is being made. */
  gives: boolean;
}

/** What the workload needs to know of the world. */
export interface StreamsWorld {
  readonly servers: readonly ServerNode[];
  readonly findings: Findings;
  /** Clients that push each other out of a server's memory: it may run again what it ran for one that it forgot. */
  readonly forgetsClients: boolean;
  /** The time for new streams is over. */
  isOver(): boolean;
}

export class StreamsWorkload {
  readonly #world: StreamsWorld;
  readonly #specs: readonly StreamSpec[];
  readonly #records = new Map<number, StreamRecord>();
  /** Handlers that have begun to make their answer and have not ended, in the processes of servers. */
  readonly #handlers = new Set<{
    readonly number: number;
    readonly server: number;
    readonly incarnation: number;
  }>();

  constructor(plan: SimPlan, random: SeededRandom, world: StreamsWorld) {
    this.#specs = drawStreams(plan, random);
    this.#world = world;
  }

  /** Streams that have neither ended nor were lost with their process. */
  get open(): number {
    return [...this.#records.values()].filter(({ end }) => end === undefined).length;
  }

  /** What a client's process reads is lost with it. */
  clientCrashed({ index }: ClientNode): void {
    for (const record of this.#records.values()) if (record.spec.client === index) record.end ??= 'lost';
  }

  /** Begins the streams of one client process: those whose time has not come yet. */
  start(node: ClientNode, clock: Clock): void {
    for (const spec of this.#specs) {
      if (spec.client !== node.index || spec.atMs < clock.now()) continue;
      clock.setTimer(spec.atMs - clock.now(), () => {
        if (this.#records.has(spec.number) || this.#world.isOver()) return;
        const record: StreamRecord = { spec, end: undefined, runs: 0, gives: false };
        this.#records.set(spec.number, record);
        void this.#read(record, node, clock);
      });
    }
  }

  async #read(record: StreamRecord, node: ClientNode, clock: Clock): Promise<void> {
    const { spec } = record;
    const { findings, servers } = this.#world;
    const { number, uploadBytes, answerBytes, deadline, cancelAfterMs, leaveAfterBytes } = spec;
    const controller = new AbortController();
    if (cancelAfterMs !== undefined) clock.setTimer(cancelAfterMs, () => controller.abort(NEVER_MIND));
    const { signal } = controller;
    const peer = node.transport!.peer(servers[spec.server]!.address);
    const body = { number, answerBytes: answerBytes ?? null };
    const upload = uploadBytes === undefined ? undefined : this.#give(record, uploadBytes, clock);
    try {
      if (answerBytes === undefined) {
        const taken = await peer.call('stream', body, { signal, deadline, upload });
        if (taken !== uploadBytes) this.#wrong(spec, `of ${uploadBytes} bytes the handler took ${taken}`);
        record.end ??= 'whole';
        return;
      }
      let at = 0;
      for await (const piece of peer.stream('stream', body, { signal, deadline, upload })) {
        if (record.end !== undefined) return;
        this.#checkPiece(spec, piece, at, answerBytes);
        at += piece.length;
        if (leaveAfterBytes !== undefined && at >= leaveAfterBytes) {
          record.end = 'left';
          findings.saw('stream left by its reader');
          return;
        }
        await pause(spec.readerMs, clock);
      }
      if (at !== answerBytes) this.#wrong(spec, `of ${answerBytes} bytes ${at} came`);
      record.end ??= 'whole';
      findings.saw('stream read to its end');
    } catch (error) {
      this.#onFailed(record, error);
    }
  }

  /** The upload: the same bytes as its answer would have. */
  async *#give(record: StreamRecord, totalBytes: number, clock: Clock): AsyncGenerator<Uint8Array> {
    const { number, pieceBytes, producerMs } = record.spec;
    record.gives = true;
    try {
      for (const piece of piecesOf(number, totalBytes, pieceBytes)) {
        await pause(producerMs, clock);
        yield piece;
      }
    } finally {
      record.gives = false;
    }
  }

  #onFailed(record: StreamRecord, error: unknown): void {
    const { spec, runs } = record;
    const { findings } = this.#world;
    if (record.end !== undefined) return;
    record.end = error === NEVER_MIND ? 'cancelled' : 'failed';
    findings.saw(error === NEVER_MIND ? 'stream cancelled' : 'stream failed');
    findings.tell?.(`stream ${spec.number} ends with ${error}`);
    if (error === NEVER_MIND) return;
    if (!(error instanceof RpcError) || !EXPECTED.has(error.code))
      findings.violated('failure-explained', `stream ${spec.number} failed with ${error}`);
    else if (error.executed === 'no' && runs > 0)
      findings.violated('executed-no', `stream ${spec.number} failed as not executed, and ran`);
    else if (error.executed === 'yes' && runs === 0)
      findings.violated('executed-yes', `stream ${spec.number} failed as executed, and never ran`);
  }

  /** Registers the handler of one server process. */
  serve(node: ServerNode, clock: Clock): void {
    const { incarnation, index } = node;
    node.transport!.handle('stream', (body: unknown, { upload, signal }: HandlerContext) => {
      const { number, answerBytes } = body as { number: number; answerBytes: number | null };
      const record = this.#records.get(number);
      if (record === undefined || record.spec.server !== index) {
        this.#world.findings.violated('phantom-call', `stream ${number} ran at server ${index}`);
        return null;
      }
      if (++record.runs > 1 && !this.#world.forgetsClients)
        this.#world.findings.violated('at-most-once', `stream ${number} ran ${record.runs} times`);
      const answer = this.#answer(record, upload, incarnation, clock, signal);
      return answerBytes === null ? this.#valueOf(answer) : answer;
    });
  }

  /** An answer without bytes: how much the upload had. */
  async #valueOf(answer: AsyncGenerator<Uint8Array, number>): Promise<number> {
    const { value } = await answer.next();
    return value as number;
  }

  async *#answer(
    { spec }: StreamRecord,
    upload: AsyncIterable<Uint8Array> | undefined,
    incarnation: number,
    clock: Clock,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array, number> {
    const { number, server, uploadBytes, answerBytes = 0, pieceBytes, producerMs, readerMs } = spec;
    const handler = { number, server, incarnation };
    this.#handlers.add(handler);
    try {
      let taken = 0;
      for await (const piece of upload ?? []) {
        this.#checkPiece(spec, piece, taken, uploadBytes ?? 0);
        taken += piece.length;
        await pause(readerMs, clock, signal);
      }
      if (upload !== undefined) {
        if (taken !== uploadBytes) this.#wrong(spec, `of an upload of ${uploadBytes} bytes ${taken} came`);
        this.#world.findings.saw('upload read to its end');
      }
      for (const piece of piecesOf(number, answerBytes, pieceBytes)) {
        await pause(producerMs, clock, signal);
        yield piece;
      }
      return taken;
    } finally {
      this.#handlers.delete(handler);
    }
  }

  #checkPiece(spec: StreamSpec, piece: Uint8Array, at: number, totalBytes: number): void {
    const isLong = at + piece.length > totalBytes;
    if (piece.length === 0 || isLong || !isPattern(spec.number, piece, piece.length, at))
      this.#wrong(spec, `${piece.length} bytes at ${at} of ${totalBytes} are not those that were sent`);
  }

  #wrong({ number }: StreamSpec, detail: string): void {
    this.#world.findings.violated('stream-bytes', `stream ${number}: ${detail}`);
  }

  /** What must hold when everything has settled. */
  check(): void {
    const { findings, servers, forgetsClients } = this.#world;
    if (forgetsClients) return;
    for (const { spec, end, gives } of this.#records.values()) {
      if (end === undefined) findings.violated('settles', `stream ${spec.number} never ended`);
      else if (gives && end !== 'lost')
        findings.violated('stream-ends', `the upload of stream ${spec.number} goes on, which is ${end}`);
    }
    for (const { number, server, incarnation } of this.#handlers) {
      const end = this.#records.get(number)?.end;
      if (servers[server]!.incarnation !== incarnation || end === 'lost') continue;
      findings.violated('stream-ends', `the handler of stream ${number} goes on, which is ${end}`);
    }
  }
}

function drawStreams(plan: SimPlan, random: SeededRandom): StreamSpec[] {
  const count = plan.clients * plan.streamsPerClient;
  return Array.from({ length: count }, (_, number) => {
    const way = random.pick(['up', 'down', 'both'] as const);
    const answerBytes = way === 'up' ? undefined : drawBytes(random);
    return {
      number,
      client: number % plan.clients,
      server: random.int(0, plan.servers - 1),
      atMs: random.between(0, plan.safetyMs),
      uploadBytes: way === 'down' ? undefined : drawBytes(random),
      answerBytes,
      pieceBytes: random.pick([500, 10_000, 60_000]),
      readerMs: random.pick([0, 0, 20]),
      producerMs: random.pick([0, 0, 20]),
      deadline: random.pick(['adaptive', 'adaptive', Number.POSITIVE_INFINITY, 1000]),
      leaveAfterBytes:
        answerBytes !== undefined && random.chance(0.2) ? random.int(0, answerBytes) : undefined,
      cancelAfterMs: random.chance(0.2) ? random.pick([0, 20, 400]) : undefined,
    };
  });
}

function drawBytes(random: SeededRandom): number {
  return random.chance(0.3) ? random.int(60_000, 200_000) : random.int(0, 5000);
}

function* piecesOf(number: number, totalBytes: number, pieceBytes: number): Generator<Uint8Array> {
  const bytes = pattern(number, totalBytes);
  for (let at = 0; at < totalBytes; at += pieceBytes) yield bytes.slice(at, at + pieceBytes);
}

/** Resolves after a time, at once when that is 0, or when `signal` aborts. */
function pause(ms: number, clock: Clock, signal?: AbortSignal): Promise<void> {
  if (ms === 0 || signal?.aborted === true) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = clock.setTimer(ms, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    const onAbort = () => {
      timer.cancel();
      resolve();
    };
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

const NEVER_MIND = new Error('never mind');

/** What a stream may fail with while everything may fail. */
const EXPECTED: ReadonlySet<string> = new Set([
  'DEADLINE_EXCEEDED',
  'PEER_SILENT',
  'PEER_UNREACHABLE',
  'NETWORK_UNREACHABLE',
  'OUTCOME_UNKNOWN',
  'OVERLOADED',
  'TOO_LARGE',
  'CLOSED',
]);
