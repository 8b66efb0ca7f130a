// A streamed call at its caller: asks for pieces as they are read, brings pieces as they are taken, and ends all of it
// together, whatever ends it. Each part is a call of its own, which the transport carries as any other.

import type { Timer } from '../base/clock.ts';
import type { Executed } from '../base/error-code.ts';
import { RpcError } from './error.ts';
import { badArgument, explainFailure } from './failure.ts';
import { FIRST_PIECES, type ReadAhead, type ReadAheadBudget } from './read-ahead.ts';
import { isPiece, PieceSource, partName, STREAM_FLAG, type StreamPart } from './stream-parts.ts';
import type { AnswerStream, Peer, StreamOptions, TransportEvent } from './transport.ts';

/** Without a deadline of the caller's: how long a stream may bring nothing that is waited for (spec/deadlines.md). */
const DEADLINE_OVERDUES = 4;
const PIECE_DEADLINE_MIN_MS = 15_000;
const PIECE_DEADLINE_MAX_MS = 60_000;

/** What streamed calls need of their transport. */
export interface StreamCarrier {
  readonly readAhead: ReadAheadBudget;
  freshId(): Uint8Array;
  tell(event: TransportEvent): void;
}

/** A piece as it arrived, or why it did not. */
type Arrived = { readonly piece: unknown } | { readonly error: unknown };

/** One streamed call. Nothing of it begins before somebody reads. */
export class StreamCall implements AnswerStream {
  readonly #carrier: StreamCarrier;
  readonly #peer: Peer;
  readonly #method: string;
  readonly #body: unknown;
  readonly #options: StreamOptions;
  readonly #isRead: boolean;
  #id: Uint8Array | undefined;
  #startedAtMs = 0;
  /** For the whole call, and for the requests for pieces alone. */
  readonly #all = new AbortController();
  readonly #pulls = new AbortController();
  #readAhead: ReadAhead | undefined;
  readonly #arrived = new Map<number, Arrived>();
  /** The piece that is read next, and the one that is asked for next; 0 is the head. */
  #readSeq = 0;
  #askSeq = 0;
  /** So many have come, none of them missing. */
  #received = 0;
  #head: Promise<unknown> | undefined;
  /** Readers wait for each other. */
  #lastRead: Promise<unknown> = Promise.resolve();
  /** What `open` was answered. */
  #answered: { readonly answer: unknown } | undefined;
  /** How it ended. */
  #ended: { readonly error?: unknown } | undefined;
  #source: PieceSource | undefined;
  /** First piece of the upload that may not be sent yet; 0: no more are wanted. */
  #giveLimit = 1 + FIRST_PIECES;
  /** Our own source makes a piece; so many pieces that were given have not been taken. */
  #sourceWorks = false;
  #unanswered = 0;
  /** Somebody waits for something to change. */
  #wakes: (() => void)[] = [];
  #overdueTold = false;

  /** `isRead`: the answer is a stream, and not one value. */
  constructor(
    carrier: StreamCarrier,
    peer: Peer,
    method: string,
    body: unknown,
    options: StreamOptions,
    isRead: boolean,
  ) {
    this.#carrier = carrier;
    this.#peer = peer;
    this.#method = method;
    this.#body = body;
    this.#options = options;
    this.#isRead = isRead;
  }

  // ---- the caller

  /** The answer of a call whose request alone is a stream. */
  async answer(): Promise<unknown> {
    this.#start();
    while (this.#answered === undefined) await this.#change();
    this.#end({});
    return this.#answered.answer;
  }

  head(): Promise<unknown> {
    this.#head ??= this.#inTurn(async () => {
      if (this.#ended !== undefined) throw NOT_NEEDED;
      this.#start();
      const head = await this.#read();
      if (Array.isArray(head) && head.length === 1) return head[0] as unknown;
      throw this.#malformed();
    });
    return this.#head;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (this.#isOver) return DONE;
    await this.head();
    return this.#inTurn(() => this.#nextPiece());
  }

  /** The reader wants no more: the server is told, and its producer stops. */
  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.#end({});
    return DONE;
  }

  #inTurn<T>(read: () => Promise<T>): Promise<T> {
    const result = this.#lastRead.then(read);
    this.#lastRead = result.catch(() => {});
    return result;
  }

  async #nextPiece(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (this.#isOver) return DONE;
    const piece = await this.#read();
    if (isPiece(piece)) return { done: false, value: piece };
    if (piece !== null) throw this.#malformed();
    // What was asked for beyond the end comes to nothing; the server says itself that the call is over.
    this.#pulls.abort(NOT_NEEDED);
    this.#source?.stop();
    while (this.#answered === undefined && this.#ended === undefined) await this.#change().catch(() => {});
    this.#end({});
    return DONE;
  }

  /** It has come to its end, or the reader has had enough. */
  get #isOver(): boolean {
    return this.#ended !== undefined && !('error' in this.#ended);
  }

  /** What comes next, in order. @throws what ended the call instead, behind all that came before. */
  async #read(): Promise<unknown> {
    for (;;) {
      const arrived = this.#arrived.get(this.#readSeq);
      if (arrived === undefined) {
        if (this.#isOver) return null;
        if (this.#ended !== undefined) throw this.#ended.error;
        this.#readAhead?.onStarved();
        this.#ask();
        await this.#change();
        continue;
      }
      this.#arrived.delete(this.#readSeq++);
      if ('error' in arrived) throw this.#failPart(arrived.error);
      this.#readAhead?.onRead();
      this.#ask();
      return arrived.piece;
    }
  }

  // ---- the parts

  #start(): void {
    if (this.#id !== undefined) return;
    const { signal, upload, deadline } = this.#options;
    signal?.throwIfAborted();
    this.#id = this.#carrier.freshId();
    this.#startedAtMs = this.#peer.clock.now();
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    const flags = (upload === undefined ? 0 : STREAM_FLAG.upload) + (this.#isRead ? STREAM_FLAG.download : 0);
    const lasting = typeof deadline === 'number' ? deadline : Number.POSITIVE_INFINITY;
    this.#part('open', [this.#id, this.#body, flags], this.#all.signal, lasting).then(
      (answer) => {
        this.#answered = { answer };
        this.#source?.stop();
        this.#wake();
      },
      (error) => void this.#fail(error),
    );
    if (this.#isRead) {
      this.#readAhead = this.#carrier.readAhead.begin(this.#peer.address);
      this.#ask();
    }
    if (upload !== undefined) void this.#give(upload);
  }

  /** Parts are not repeated: a stream that was cut off cannot be known to go on where it was. */
  #part(part: StreamPart, body: unknown, signal: AbortSignal, deadline: number): Promise<unknown> {
    // P-117
    return this.#peer.call(partName(this.#method, part), body, { signal, deadline });
  }

  /** As many pieces as may be under way, or wait to be read, are asked for. */
  #ask(): void {
    const limit = this.#readSeq + (this.#readAhead?.pieces ?? 0);
    while (this.#askSeq < limit && this.#ended === undefined && !this.#pulls.signal.aborted) {
      const seq = this.#askSeq++;
      const signal = this.#pulls.signal;
      this.#part('next', [this.#id, seq, this.#received], signal, Number.POSITIVE_INFINITY).then(
        (piece) => this.#onPiece(seq, { piece }),
        (error: unknown) => this.#onPiece(seq, { error }),
      );
    }
  }

  #onPiece(seq: number, arrived: Arrived): void {
    if (this.#ended !== undefined || this.#pulls.signal.aborted) return;
    this.#arrived.set(seq, arrived);
    while (this.#arrived.has(this.#received)) this.#received++;
    this.#wake();
  }

  async #give(upload: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      const source = new PieceSource(upload);
      this.#source = source;
      for (let seq = 1; ; seq++) {
        while (seq >= this.#giveLimit && this.#wantsUpload) await this.#nextWake();
        this.#sourceWorks = true;
        const piece = this.#wantsUpload ? await source.next() : null;
        this.#sourceWorks = false;
        if (!this.#wantsUpload) break;
        this.#givePiece(seq, piece);
        if (piece === null) return;
      }
      source.stop();
    } catch (error) {
      // The source's own error: the caller knows it, the server hears that nothing more comes.
      this.#end({ error });
    }
  }

  get #wantsUpload(): boolean {
    return this.#giveLimit > 0 && this.#ended === undefined && this.#answered === undefined;
  }

  #givePiece(seq: number, piece: Uint8Array | null): void {
    const given = this.#part('give', [this.#id, seq, piece], this.#all.signal, Number.POSITIVE_INFINITY);
    this.#unanswered++;
    given.then(
      (limit) => {
        this.#unanswered--;
        if (limit === 0) this.#giveLimit = 0;
        else if (typeof limit === 'number') this.#giveLimit = Math.max(this.#giveLimit, limit);
        this.#wake();
      },
      (error) => void this.#failPart(error),
    );
  }

  // ---- waiting

  #nextWake(): Promise<void> {
    return new Promise((resolve) => this.#wakes.push(resolve));
  }

  /** Something has changed. */
  #wake(): void {
    const wakes = this.#wakes;
    this.#wakes = [];
    for (const wake of wakes) wake();
  }

  /** Waits for something to change, for as long as this peer may take. @throws what has ended the call. */
  async #change(): Promise<void> {
    if (this.#ended !== undefined && !this.#isOver) throw this.#ended.error;
    const stopWatching = this.#watch();
    await this.#nextWake();
    stopWatching();
    if (this.#ended !== undefined && !this.#isOver) throw this.#ended.error;
  }

  /** Tells when it is overdue, and gives up in the end, unless the caller has said when. Returns what ends the watch. */
  #watch(): () => void {
    const { clock } = this.#peer;
    const isAdaptive = (this.#options.deadline ?? 'adaptive') === 'adaptive';
    let timer: Timer | undefined;
    let sinceMs = clock.now();
    const part = partName(this.#method, this.#isRead ? 'next' : 'give');
    const arm = (): void => {
      // It is our own source that everybody waits for.
      if (this.#sourceWorks && this.#unanswered === 0) sinceMs = clock.now();
      const overdueAfterMs = this.#peer.overdueAfterMs(part);
      const limitMs = DEADLINE_OVERDUES * overdueAfterMs;
      const deadlineAfterMs = Math.min(Math.max(limitMs, PIECE_DEADLINE_MIN_MS), PIECE_DEADLINE_MAX_MS);
      const waitedMs = clock.now() - sinceMs;
      if (!this.#overdueTold && waitedMs >= overdueAfterMs) this.#tellOverdue(waitedMs);
      // P-116
      if (isAdaptive && waitedMs >= deadlineAfterMs) {
        this.#end({ error: this.#failure('DEADLINE_EXCEEDED') });
        return;
      }
      const waitMs = this.#overdueTold ? deadlineAfterMs : overdueAfterMs;
      // At least a millisecond: a remainder that rounding has left would not move the clock.
      if (isAdaptive || !this.#overdueTold) timer = clock.setTimer(Math.max(1, waitMs - waitedMs), arm);
    };
    arm();
    return () => timer?.cancel();
  }

  #tellOverdue(afterMs: number): void {
    this.#overdueTold = true;
    const { address: peer, clock } = this.#peer;
    this.#carrier.tell({ type: 'peer:overdue', peer, method: this.#method, afterMs, atMs: clock.now() });
    this.#options.onOverdue?.();
  }

  // ---- the end

  readonly #onAbort = (): void => {
    this.#arrived.clear();
    this.#end({ error: this.#options.signal!.reason });
  };

  /** Ends it for its failed `open`, or a part that says as much; returns what the caller is told. */
  #fail(error: unknown): unknown {
    this.#end({ error: error instanceof RpcError ? this.#explained(error) : error });
    return this.#ended?.error ?? error;
  }

  /** Ends it for a piece. Whether the handler has run only `open` can tell, unless that piece is what the handler threw. */
  #failPart(error: unknown): unknown {
    if (!(error instanceof RpcError)) return this.#fail(error);
    // P-117
    const isOfHandler = error.code === 'HANDLER_FAILED' || error.code === 'UNKNOWN_METHOD';
    this.#end({ error: this.#explained(error, isOfHandler ? error.executed : 'unknown') });
    return this.#ended?.error ?? error;
  }

  /** Of the call that the caller made, not of the part that failed. */
  #explained(error: RpcError, executed: Executed = error.executed): RpcError {
    const { code, detail, report, cause } = error;
    if (code === 'BAD_ARGUMENT') return badArgument(cause, this.#peer.address, this.#method);
    return this.#failure(code, executed, { detail, report, cause });
  }

  #malformed(): unknown {
    this.#end({ error: this.#failure('BAD_MESSAGE') });
    return this.#ended?.error;
  }

  #failure(
    code: RpcError['code'],
    executed: RpcError['executed'] = 'unknown',
    { detail, report, cause }: Partial<Pick<RpcError, 'detail' | 'report' | 'cause'>> = {},
  ): RpcError {
    const { address, clock } = this.#peer;
    const elapsedMs = clock.now() - this.#startedAtMs;
    const more = { ...(report && { report }), ...(cause !== undefined && { cause }) };
    return explainFailure(code, executed, detail, address, this.#method, elapsedMs, more);
  }

  /** Once: everything of it stops, here and, as one CANCEL tells, there. */
  #end(ended: { readonly error?: unknown }): void {
    if (this.#ended !== undefined) return;
    this.#ended = ended;
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    const reason = ended.error ?? NOT_NEEDED;
    this.#pulls.abort(reason);
    // P-115
    this.#all.abort(reason);
    this.#readAhead?.release();
    this.#source?.stop();
    this.#wake();
  }
}

/** @throws RpcError BAD_ARGUMENT for what cannot be streamed. */
export function checkUpload(peer: string, method: string, upload: unknown): void {
  if (upload === undefined) return;
  const isSource = typeof upload === 'object' && upload !== null && Symbol.asyncIterator in upload;
  if (!isSource)
    throw badArgument(new TypeError('an upload is an AsyncIterable of Uint8Arrays'), peer, method);
}

/** Never reaches a caller: it ends parts whose outcome nobody waits for. */
const NOT_NEEDED = new RpcError('CANCELLED', 'nobody reads this stream any more');

const DONE: IteratorResult<Uint8Array, undefined> = { done: true, value: undefined };
