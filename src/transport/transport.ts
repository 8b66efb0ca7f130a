// The seam between those who call and those who carry: the grid client and the storage server know only
// this. Implementations: datagram/ (UDP), sim/ (the same driver on a simulated socket), tcp/.

import type { SilenceReason } from '../base/call-report.ts';
import type { Clock } from '../base/clock.ts';
import type { RetryBudget } from '../base/retry-budget.ts';
import type { TransportStatus } from './status.ts';

/** Options of one call. */
export interface CallOptions {
  /** Never mind: when it aborts, the promise rejects with `signal.reason` at once and nothing more is sent. */
  readonly signal?: AbortSignal | undefined;
  /**
   * When to give up, in milliseconds from now. `'adaptive'` (default): learnt from this peer's response
   * times; `Infinity`: never, but for a peer that goes silent.
   */
  readonly deadline?: 'adaptive' | number | undefined;
  /** The method may run twice without harm: the call is repeated across a restart of the peer. */
  readonly idempotent?: boolean | undefined;
  /** Bytes expected in the answer, when known: response times are learnt per size class. */
  readonly expectedBytes?: number | undefined;
  /**
   * Called at most once when the call takes longer than it should by what is known of this peer. The call
   * goes on; the caller may look for another source. What it throws is raised later, as an uncaught exception.
   */
  readonly onOverdue?: (() => void) | undefined;
  /**
   * Bytes that follow the request, of any length: taken from here as the handler reads them from `context.upload`,
   * and no faster. Such a call is never repeated, and an adaptive deadline is about its pieces, not its length.
   */
  readonly upload?: AsyncIterable<Uint8Array> | undefined;
}

/** Options of a call whose answer is a stream. Its deadline, if a number, is for all of it. */
export type StreamOptions = Pick<CallOptions, 'signal' | 'deadline' | 'onOverdue' | 'upload'>;

/** An answer of any length, as it is read: once, in order. The producer makes no more than is asked for. */
export interface AnswerStream extends AsyncIterableIterator<Uint8Array, undefined> {
  /** The value that comes before the bytes (see `withHead`): `undefined` without one; all of an answer that is no stream. */
  head(): Promise<unknown>;
  next(): Promise<IteratorResult<Uint8Array, undefined>>;
  /** Never mind the rest; `break` in a loop calls it. */
  return(): Promise<IteratorResult<Uint8Array, undefined>>;
  [Symbol.asyncIterator](): this;
}

/** What is known of a peer's being there. */
export type PeerHealth = 'unknown' | 'live' | 'suspect' | 'silent';

/** Another endpoint, by address. Getting one sends nothing: there is no connecting. */
export interface Peer {
  /** As given to {@link Transport.peer}, e.g. `nm://127.0.0.1:4820`. */
  readonly address: string;
  readonly clock: Clock;
  /** {@link Transport.retries} of its transport. */
  readonly retries: RetryBudget;
  readonly health: PeerHealth;
  /**
   * Calls `method` with a CBOR-encodable body and resolves to the handler's answer (a CBOR value;
   * `Uint8Array`s in it are views of a buffer that nobody else uses).
   * @throws RpcError, or `options.signal.reason` when it was cancelled.
   */
  call(method: string, body: unknown, options?: CallOptions): Promise<unknown>;
  /**
   * Calls a method that answers with bytes of any length. The call begins with the first piece, or head, that is read.
   * Pieces have at most 60 KiB and need not be cut as the handler has cut them. Reading throws what `call` rejects with,
   * behind all that came before it.
   */
  stream(method: string, body: unknown, options?: StreamOptions): AnswerStream;
  /**
   * Milliseconds after which a call of this method would be called overdue, from what is known now;
   * `expectedBytes` picks the size class.
   */
  overdueAfterMs(method: string, expectedBytes?: number): number;
  /** Whether that follows from answers, of this peer or of the others; else it is a guess. */
  hasLearnt(method: string, expectedBytes?: number): boolean;
}

/** What a handler is told besides the request. */
export interface HandlerContext {
  /** Aborts when the caller says never mind, its deadline passes, or the transport closes. */
  readonly signal: AbortSignal;
  /** When the caller gives up, on {@link Transport.clock}; `Infinity` when it never does. */
  readonly deadlineAtMs: number;
  /** Printable address that the request came from. */
  readonly from: string;
  /** The bytes that follow the request, if it has any: read once, and as fast as this handler reads them. */
  readonly upload?: AsyncIterable<Uint8Array> | undefined;
}

/**
 * Answers one request with a CBOR-encodable value, or with an `AsyncIterable<Uint8Array>`, such as an async generator,
 * for a caller that reads the answer with `peer.stream`; `withHead` gives it a value before the bytes. What it throws reaches the caller as HANDLER_FAILED
 * with `detail` = the error's `code` (if it is a string, else its `name`) and `message`.
 */
export type Handler = (request: unknown, context: HandlerContext) => unknown | Promise<unknown>;

/** What a server declares of a method. */
export interface HandlerOptions {
  /**
   * `'safe'`: may run from the very first datagram of a peer, which somebody could have recorded and sent
   * again (reads, content-addressed writes, test-and-set). Others wait one round trip at the first contact.
   */
  readonly early?: 'safe' | undefined;
}

/** A change in what is known of a peer, or a call that became overdue. */
export type TransportEvent =
  | {
      readonly type: 'peer:silent';
      readonly peer: string;
      readonly why: SilenceReason;
      readonly failedCalls: number;
      readonly atMs: number;
    }
  | { readonly type: 'peer:back'; readonly peer: string; readonly silentMs: number; readonly atMs: number }
  | {
      readonly type: 'peer:overdue';
      readonly peer: string;
      readonly method: string;
      readonly afterMs: number;
      readonly atMs: number;
    };

/** Carries calls between peers. */
export interface Transport extends AsyncDisposable {
  /** Where others reach this transport, e.g. `nm://127.0.0.1:4820`. */
  readonly address: string;
  readonly clock: Clock;
  /**
   * Pays for hedges and retries of everything that is called over this transport; who asks a second source, or asks
   * again, takes a token first. `gather` does so by itself.
   */
  readonly retries: RetryBudget;
  /** Registers the handler of a method; a second registration of a name throws. */
  handle(method: string, handler: Handler, options?: HandlerOptions): void;
  /** The peer at an address; the same object for the same address while it is held. */
  peer(address: string): Peer;
  /** A snapshot of what is counted, held and known. Takes time in proportion to the peers. */
  status(): TransportStatus;
  /**
   * Listens to {@link TransportEvent}s; returns the function that stops it. What a listener throws is raised later, as
   * an uncaught exception.
   */
  subscribe(listener: (event: TransportEvent) => void): () => void;
  /** Cancels what is outstanding (CLOSED), tells the peers, frees the socket. Idempotent. */
  close(): Promise<void>;
}
