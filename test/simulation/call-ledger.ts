// The account of all calls of a run, kept outside of everything that is tested: what each was to do, where and how
// often it ran, and how it ended. It says what a call may never do; who calls what is in calls-workload.ts.

import { getEventListeners } from 'node:events';
import { RpcError } from '../../src/transport/error.ts';
import type { Findings } from './violations.ts';

/** What a call asks its handler to do. */
export interface CallSpec {
  readonly token: number;
  readonly client: number;
  readonly server: number;
  readonly atMs: number;
  /** Registered as safe in a first datagram: it may run once per restart of the server. */
  readonly early: boolean;
  /** Declared so by the caller: it may run once per restart of the server. */
  readonly idempotent: boolean;
  readonly requestBytes: number;
  readonly answerBytes: number;
  readonly workMs: number;
  readonly behaviour: 'answer' | 'fail' | 'hang';
  readonly deadline: 'adaptive' | number;
  /** Milliseconds after the call; 0 = in the same turn. */
  readonly cancelAfterMs: number | undefined;
  /** Calls of one group share a signal. */
  readonly group: number | undefined;
}

/** One run of a handler. */
export interface Execution {
  readonly server: number;
  /** Which process of that server. */
  readonly incarnation: number;
  ended: boolean;
}

/** One call of a client process. */
export interface CallRecord {
  readonly spec: CallSpec;
  readonly startedAtMs: number;
  /** How often the client had been paused when the call began. */
  readonly pauses: number;
  readonly signal: AbortSignal;
  cancelledAtMs: number | undefined;
  settled: 'answered' | 'failed' | 'cancelled' | 'lost with its process' | undefined;
  /** What the failure said of the handler. */
  executed: 'no' | 'yes' | 'unknown' | undefined;
}

/** What the ledger needs to know of the world. */
export interface LedgerWorld {
  readonly findings: Findings;
  now(): number;
  /** Times that a client's process was paused or stalled so far. */
  pausesOf(client: number): number;
  /** How often a server forgot a client to make room: then it may run a repeated call again. */
  readonly forgetsClients: boolean;
}

export class CallLedger {
  readonly records: Map<number, CallRecord> = new Map();
  readonly executions: Map<number, Execution[]> = new Map();
  readonly #endedAtMs = new Map<number, number>();
  #open = 0;
  #hash = 0;
  readonly #world: LedgerWorld;

  constructor(world: LedgerWorld) {
    this.#world = world;
  }

  /** Calls that have not settled. */
  get open(): number {
    return this.#open;
  }

  /** 32 bits over everything that was noted, in order. */
  get hash(): number {
    return this.#hash >>> 0;
  }

  /** A client calls. The promise is watched from now on. */
  begin(spec: CallSpec, signal: AbortSignal, promise: Promise<unknown>): CallRecord {
    const { client } = spec;
    const record: CallRecord = {
      spec,
      startedAtMs: this.#world.now(),
      pauses: this.#world.pausesOf(client),
      signal,
      cancelledAtMs: undefined,
      settled: undefined,
      executed: undefined,
    };
    this.records.set(spec.token, record);
    this.#note(`called ${spec.token} at ${spec.server}`);
    this.#open++;
    promise.then(
      (answer) => this.#onAnswered(record, answer),
      (error: unknown) => this.#onFailed(record, error),
    );
    return record;
  }

  /** The signal of a call aborts in this turn; call it before. */
  cancelling(record: CallRecord): void {
    if (record.settled !== undefined) return;
    record.cancelledAtMs = this.#world.now();
    this.#note(`cancels ${record.spec.token}`);
  }

  /** A client's process, or its transport, ends; the next one begins anew. */
  clientEnded(client: number): void {
    this.#endedAtMs.set(client, this.#world.now());
  }

  /** Everything that a client's process waited for is lost with it. */
  clientCrashed(client: number): void {
    this.clientEnded(client);
    for (const record of this.records.values()) {
      if (record.spec.client === client && record.settled === undefined)
        this.#settle(record, 'lost with its process');
    }
  }

  /** A handler begins. */
  ran(token: number, server: number, incarnation: number): Execution {
    const { findings } = this.#world;
    const execution: Execution = { server, incarnation, ended: false };
    const all = this.executions.get(token) ?? [];
    this.executions.set(token, all);
    all.push(execution);
    this.#note(`ran ${token} at ${server}.${incarnation}`);
    const record = this.records.get(token);
    if (record === undefined) {
      findings.violated('phantom-call', `call ${token} ran and was never made`);
      return execution;
    }
    const { spec } = record;
    if (spec.server !== server)
      findings.violated('right-server', `call ${token} for ${spec.server} ran at ${server}`);
    const mayRepeat = spec.early || spec.idempotent;
    if (all.length > 1 && !mayRepeat) {
      findings.violated('at-most-once', `call ${token} ran ${all.length} times: ${JSON.stringify(all)}`);
    }
    const here = all.filter((other) => other.incarnation === incarnation);
    if (here.length > 1 && !this.#world.forgetsClients) {
      findings.violated(
        'at-most-once',
        `call ${token} ran ${here.length} times in one process of server ${server}`,
      );
    }
    if (all.length > 1 && spec.idempotent) findings.saw('idempotent call ran again after a restart');
    return execution;
  }

  /** Whether a server must have heard by now that nobody waits for this call. */
  isHandlerToBeTold(token: number): boolean {
    const record = this.records.get(token);
    if (record === undefined) return true;
    const { settled, spec, startedAtMs } = record;
    // What a process leaves unsaid when it ends, its server learns from the deadline alone.
    const processEndedAtMs = this.#endedAtMs.get(spec.client) ?? -1;
    return settled !== undefined && processEndedAtMs < startedAtMs;
  }

  /** What must hold when everything has settled. */
  check(): void {
    const { findings } = this.#world;
    const records = [...this.records.values()];
    const listening = records.filter(
      ({ settled }) => settled === undefined || settled === 'lost with its process',
    );
    const inUse = new Set(listening.map(({ signal }) => signal));
    for (const record of records) {
      const { token } = record.spec;
      const runs = this.executions.get(token)?.length ?? 0;
      // Clients that push each other out of a server's memory may do so for ever.
      if (record.settled === undefined && !this.#world.forgetsClients) {
        findings.violated('settles', `call ${token} never settled: ${JSON.stringify(record.spec)}`);
      }
      // What may run from a first datagram may run once more when somebody replays that.
      if (record.executed === 'no' && runs > 0 && !record.spec.early) {
        findings.violated('executed-no', `call ${token} failed as not executed, and ran ${runs} times`);
      }
      if (record.executed === 'yes' && runs === 0) {
        findings.violated('executed-yes', `call ${token} failed as executed, and never ran`);
      }
      if (!inUse.has(record.signal) && getEventListeners(record.signal, 'abort').length > 0) {
        findings.violated('nothing-left', `a listener is left on the signal of call ${token}`);
      }
    }
  }

  #onAnswered(record: CallRecord, answer: unknown): void {
    const { findings } = this.#world;
    const { spec } = record;
    if (!this.#isFirst(record)) return;
    if (record.cancelledAtMs !== undefined) {
      findings.violated('nothing-after-cancel', `call ${spec.token} was answered after its cancel`);
    }
    if (!isAnswerTo(spec, answer)) findings.violated('right-answer', `call ${spec.token} got another answer`);
    if (!this.executions.has(spec.token)) {
      findings.violated('right-answer', `call ${spec.token} was answered and never ran`);
    }
    findings.saw('call answered');
    if (Math.max(spec.requestBytes, spec.answerBytes) > 64 * 1024) findings.saw('large call answered');
    this.#settle(record, 'answered');
  }

  #onFailed(record: CallRecord, error: unknown): void {
    const { findings } = this.#world;
    const { spec, signal } = record;
    if (!this.#isFirst(record)) return;
    if (record.cancelledAtMs !== undefined) {
      const isReason = error === signal.reason;
      if (!isReason) findings.violated('nothing-after-cancel', `call ${spec.token} was cancelled: ${error}`);
      else if (this.#world.now() !== record.cancelledAtMs) {
        findings.violated('cancel-at-once', `call ${spec.token} settled later than its cancel`);
      }
      this.#settle(record, 'cancelled');
      return;
    }
    if (!(error instanceof RpcError)) {
      findings.violated('failure-explained', `call ${spec.token} failed with ${error}`);
      this.#settle(record, 'failed');
      return;
    }
    record.executed = error.executed;
    this.#note(error.code);
    this.#checkFailure(record, error);
    this.#settle(record, 'failed');
  }

  #checkFailure({ spec, startedAtMs, pauses }: CallRecord, error: RpcError): void {
    const { findings } = this.#world;
    const { code } = error;
    const elapsedMs = this.#world.now() - startedAtMs;
    switch (code) {
      case 'DEADLINE_EXCEEDED':
        findings.saw('call failed with DEADLINE_EXCEEDED');
        if (spec.deadline !== 'adaptive' && elapsedMs < spec.deadline - ROUNDING_MS) {
          findings.violated(
            'deadline',
            `call ${spec.token} gave up ${spec.deadline - elapsedMs} ms too early`,
          );
        }
        break;
      case 'PEER_SILENT':
      case 'PEER_UNREACHABLE':
      case 'OUTCOME_UNKNOWN':
      case 'OVERLOADED':
      case 'NETWORK_UNREACHABLE':
      case 'CLOSED':
        findings.saw(`call failed with ${code}`);
        break;
      case 'HANDLER_FAILED':
        findings.saw('call failed with HANDLER_FAILED');
        if (spec.behaviour !== 'fail' || error.detail?.message !== `told to fail ${spec.token}`) {
          findings.violated('right-answer', `call ${spec.token} got another failure: ${error.message}`);
        }
        break;
      case 'TOO_LARGE':
        break;
      default:
        findings.violated('failure-explained', `call ${spec.token} failed with ${code}: ${error.message}`);
    }
    const late = spec.deadline !== 'adaptive' && elapsedMs > spec.deadline + DEADLINE_SLACK_MS;
    if (late && this.#world.pausesOf(spec.client) === pauses) {
      findings.violated(
        'deadline',
        `call ${spec.token} failed with ${code} after ${elapsedMs} ms, not ${spec.deadline}`,
      );
    }
  }

  #isFirst(record: CallRecord): boolean {
    if (record.settled === undefined) return true;
    this.#world.findings.violated(
      'settles-once',
      `call ${record.spec.token} settled again: ${record.settled}`,
    );
    return false;
  }

  #settle(record: CallRecord, how: NonNullable<CallRecord['settled']>): void {
    record.settled = how;
    this.#open--;
    this.#note(`${how} ${record.spec.token}`);
  }

  #note(text: string): void {
    this.#world.findings.tell?.(text);
    const line = `${this.#world.now()} ${text}`;
    for (let i = 0; i < line.length; i++) this.#hash = Math.imul(this.#hash ^ line.charCodeAt(i), 0x01000193);
    this.#hash ^= this.#hash >>> 15;
  }
}

/** What a handler answers; anything in it that is wrong means that answers or their pieces were mixed up. */
export function answerTo(token: number, requestBytes: number, answerBytes: number): unknown {
  return { token, requestBytes, data: pattern(token, answerBytes) };
}

function isAnswerTo(spec: CallSpec, answer: unknown): boolean {
  if (typeof answer !== 'object' || answer === null) return false;
  const { token, requestBytes, data } = answer as Record<string, unknown>;
  if (token !== spec.token || requestBytes !== spec.requestBytes || !(data instanceof Uint8Array))
    return false;
  return isPattern(spec.token, data, spec.answerBytes);
}

/** Bytes that name their call and their place in it. */
export function pattern(token: number, sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  for (let i = 0; i < sizeBytes; i++) bytes[i] = patternByte(token, i);
  return bytes;
}

/** Whether they are so many bytes of it, from its beginning or another place. */
export function isPattern(token: number, bytes: Uint8Array, sizeBytes: number, at = 0): boolean {
  if (bytes.length !== sizeBytes) return false;
  for (let i = 0; i < sizeBytes; i++) if (bytes[i] !== patternByte(token, at + i)) return false;
  return true;
}

function patternByte(token: number, index: number): number {
  return (Math.imul(token + 1, 0x9e3779b1) ^ Math.imul(index, 0x85ebca6b)) >>> 24;
}

/** What adding and subtracting times may lose. */
const ROUNDING_MS = 1e-6;
/** Timers are exact in virtual time; the endpoint runs its own in the turn after. */
const DEADLINE_SLACK_MS = 5;
