// A peer that we call: its outstanding calls, the one connection to it, and what is known of its health. The
// connection is made when a call needs it, made again when it is lost, and given up when nobody uses it; a caller
// never sees any of that.
//
//   idle ──► connecting ──► open          lost, with calls outstanding: waiting, for a growing time, then connecting
//     ▲           │  ▲       │            nobody there for long enough: all calls fail with PEER_SILENT, and attempts
//     └───────────▼──┴───────┘            with growing distance find out when it is back
//              waiting

import type { Executed, RpcErrorCode } from '../base/error-code.ts';
import { ResponseTimes } from '../base/response-times.ts';
import { RttEstimator } from '../base/rtt.ts';
import type { PeerAddress } from '../transport/address.ts';
import type { PeerHealth } from '../transport/transport.ts';
import { STATUS } from '../wire/frame.ts';
import { parseErrorBody } from '../wire/message.ts';
import { type CallRequest, ClientCall } from './client-call.ts';
import { ClientConnection, type ClientConnectionOwner } from './client-connection.ts';
import type { Ending } from './connection.ts';
import type { TcpContext } from './context.ts';
import { Alarm } from './timers.ts';

/** What is guessed of a round trip before there was one (RFC 9002, 6.2.2). */
const INITIAL_RTT_MS = 333;

/** Messages up to this size tell of the path's round trip; larger ones, of its bandwidth. */
const RTT_SAMPLE_BYTES_MAX = 16 * 1024;

export class ClientPeer implements ClientConnectionOwner {
  readonly responseTimes: ResponseTimes;
  readonly rtt: RttEstimator = new RttEstimator(INITIAL_RTT_MS);
  readonly #context: TcpContext;
  /** As callers name it. */
  readonly #address: string;
  readonly #to: PeerAddress;
  readonly #calls = new Map<number, ClientCall>();
  #health: PeerHealth = 'unknown';
  #connection: ClientConnection | undefined;
  #connectAtMs = 0;
  #connected = false;
  /** When the connection last showed life, or last became one that should. */
  #lastSignAtMs = 0;
  /** Set while a PING waits for a sign of life. */
  #pingedAtMs: number | undefined;
  /** Connections lost or not made since the last answer. */
  #failures = 0;
  /** Since when no process has been found there. */
  #absentSinceMs: number | undefined;
  #silentSinceMs = 0;
  #probeDistanceMs = 0;
  #lastProbeAtMs = Number.NEGATIVE_INFINITY;
  readonly #reconnect: Alarm;
  /** For the connection that there is: not made in time, silent, or idle. */
  readonly #watch: Alarm;

  constructor(context: TcpContext, address: string, to: PeerAddress) {
    this.#context = context;
    this.#address = address;
    this.#to = to;
    this.responseTimes = new ResponseTimes(context.cohort);
    this.#reconnect = new Alarm(context.timers, () => this.#connect());
    this.#watch = new Alarm(context.timers, (nowMs, stalled) => this.#onWatch(nowMs, stalled));
  }

  get health(): PeerHealth {
    return this.#health;
  }

  get outstandingCalls(): number {
    return this.#calls.size;
  }

  // ---- calls

  /** Starts a call; fails it at once when the peer is silent. */
  start(request: CallRequest): void {
    const { clock, outcomes, stats, timers } = this.#context;
    stats.callsStarted++;
    if (this.#health === 'silent') {
      stats.callsFailed++;
      this.#probeSoon(clock.now());
      outcomes.fail(request.callId, 'PEER_SILENT', 'no');
      return;
    }
    const call = new ClientCall(request, () => clock.now());
    if (this.#calls.size === 0) this.#lastSignAtMs = clock.now();
    this.#calls.set(request.callId, call);
    call.alarm = new Alarm(timers, (nowMs) => this.#onCallDue(call, nowMs));
    call.alarm.set(call.wakeAtMs);
    if (this.#connection !== undefined) call.sendOver(this.#connection);
    else if (!this.#reconnect.isSet) this.#connect();
    this.#setWatch();
  }

  /** Never mind. Nothing of the call is sent any more but, where the server knows of it, one CANCEL. */
  cancel(callId: number): void {
    const call = this.#calls.get(callId);
    if (call === undefined) return;
    this.#context.stats.callsCancelled++;
    this.#recordAtLeast(call, this.#context.clock.now());
    this.#settle(call, true);
  }

  /** Fails all calls with CLOSED and lets go of everything. */
  close(): void {
    this.#failAll('CLOSED');
    this.#reconnect.clear();
    this.#drop();
  }

  #onCallDue(call: ClientCall, nowMs: number): void {
    const { callId, deadlineAtMs, overdueAtMs } = call.request;
    if (deadlineAtMs <= nowMs) {
      this.#recordAtLeast(call, nowMs);
      this.#fail(call, 'DEADLINE_EXCEEDED', executedSoFar(call), true);
      return;
    }
    if (!call.overdueTold && overdueAtMs <= nowMs) {
      call.overdueTold = true;
      this.#context.outcomes.overdue(callId, nowMs - call.startedAtMs);
    }
    if (this.#calls.has(callId)) call.alarm?.set(call.wakeAtMs);
  }

  onResponse(call: ClientCall, status: number, heldUs: number, body: Uint8Array): void {
    const { clock, outcomes, stats } = this.#context;
    const { callId, method, sizeBytes } = call.request;
    const error = status === STATUS.ok ? undefined : parseErrorBody(body);
    const elapsedMs = clock.now() - (call.firstSentAtMs ?? call.startedAtMs);
    if (call.bytes.length + body.length <= RTT_SAMPLE_BYTES_MAX) this.rtt.update(elapsedMs, heldUs / 1000);
    // An error that its handler gave is an answer, too; a refusal tells nothing of how long work takes.
    if (error === undefined || error.code === 'HANDLER_FAILED') {
      this.responseTimes.record(method, sizeBytes, elapsedMs, clock.now());
    }
    this.#failures = 0;
    this.#settle(call, false);
    if (error === undefined) {
      stats.callsAnswered++;
      outcomes.answer(callId, body);
    } else {
      stats.callsFailed++;
      outcomes.fail(callId, error.code, error.executed, error.detail);
    }
  }

  onResponseRefused(call: ClientCall, code: 'TOO_LARGE' | 'OVERLOADED'): void {
    this.#fail(call, code, 'yes', true);
  }

  #fail(call: ClientCall, code: RpcErrorCode, executed: Executed, tellPeer: boolean): void {
    this.#context.stats.callsFailed++;
    this.#settle(call, tellPeer);
    this.#context.outcomes.fail(call.request.callId, code, executed);
  }

  #failAll(code: RpcErrorCode): number {
    const calls = [...this.#calls.values()];
    for (const call of calls) this.#fail(call, code, executedSoFar(call), false);
    return calls.length;
  }

  #settle(call: ClientCall, tellPeer: boolean): void {
    this.#calls.delete(call.request.callId);
    call.alarm?.clear();
    this.#connection?.forget(call, tellPeer);
    if (this.#calls.size > 0) return;
    // Nobody needs another connection now; one that is silent is not needed for calls to be told so.
    if (this.#health !== 'silent') this.#reconnect.clear();
    this.#lastSignAtMs = this.#context.clock.now();
    this.#setWatch();
  }

  #recordAtLeast(call: ClientCall, nowMs: number): void {
    if (call.firstSentAtMs === undefined) return;
    const { method, sizeBytes } = call.request;
    this.responseTimes.recordAtLeast(method, sizeBytes, nowMs - call.firstSentAtMs, nowMs);
  }

  // ---- the connection

  #connect(): void {
    const { clock } = this.#context;
    this.#reconnect.clear();
    this.#connectAtMs = clock.now();
    this.#connected = false;
    this.#pingedAtMs = undefined;
    const connection = new ClientConnection(this.#context, this.#to, this);
    this.#connection = connection;
    for (const call of this.#calls.values()) call.sendOver(connection);
    this.#setWatch();
  }

  onConnected(): void {
    const nowMs = this.#context.clock.now();
    // One round trip of SYN and its answer: the operating system's, with nothing of the process in it.
    this.rtt.update(nowMs - this.#connectAtMs, 0);
    this.#connected = true;
    this.#lastSignAtMs = nowMs;
    this.#setWatch();
  }

  onProven(): void {
    const nowMs = this.#context.clock.now();
    const silentMs = this.#health === 'silent' ? nowMs - this.#silentSinceMs : undefined;
    this.#absentSinceMs = undefined;
    this.#health = 'live';
    this.onSign();
    this.#setWatch();
    if (silentMs === undefined) return;
    this.#failures = 0;
    this.#context.tell({ type: 'peer:back', peer: this.#address, silentMs, atMs: nowMs });
  }

  onSign(): void {
    this.#lastSignAtMs = this.#context.clock.now();
    this.#pingedAtMs = undefined;
    if (this.#connection?.proven && this.#health === 'suspect') this.#health = 'live';
  }

  onEnded(ending: Ending): void {
    const { clock, stats } = this.#context;
    const wasProven = this.#connection?.proven ?? false;
    this.#drop();
    if (ending.why === 'foreign') {
      this.#failAll('BAD_MESSAGE');
      return;
    }
    const hopeless = ending.why === 'closed' ? HOPELESS[ending.code ?? ''] : undefined;
    if (hopeless !== undefined && this.#health !== 'silent') {
      this.#failAll(hopeless);
      return;
    }
    for (const call of [...this.#calls.values()]) {
      if (call.mayHaveRun && !call.request.idempotent) this.#fail(call, 'OUTCOME_UNKNOWN', 'unknown', false);
      else if (call.started) stats.callsRepeated++;
    }
    const nowMs = clock.now();
    this.#failures++;
    if (!wasProven) this.#absentSinceMs ??= nowMs;
    if (this.#health === 'silent') this.#scheduleProbe(nowMs);
    else if (this.#calls.size > 0) this.#retry(ending, nowMs);
    else this.#failures = 0;
  }

  #retry(ending: Ending, nowMs: number): void {
    const { config, random } = this.#context;
    if (this.#absentSinceMs !== undefined && nowMs - this.#absentSinceMs >= config.connectGiveUpMs) {
      const refused = ending.why === 'closed' && ending.code === 'ECONNREFUSED';
      this.#declareSilent(refused ? 'refused' : 'no answer', nowMs);
      return;
    }
    this.#health = 'suspect';
    const distanceMs = Math.min(
      config.reconnectMinMs * 2 ** Math.min(this.#failures - 1, 30),
      config.reconnectMaxMs,
    );
    this.#reconnect.set(nowMs + distanceMs * (0.5 + random.float()));
  }

  #drop(): void {
    const connection = this.#connection;
    this.#connection = undefined;
    this.#watch.clear();
    connection?.destroy();
  }

  // ---- silence

  #setWatch(): void {
    this.#watch.set(this.#watchAtMs());
  }

  #watchAtMs(): number {
    const { config } = this.#context;
    if (this.#connection === undefined) return Number.POSITIVE_INFINITY;
    if (!this.#connected) return this.#connectAtMs + config.connectTimeoutMs;
    // Whoever waits for a silent peer to come back waits as long as the connection lasts.
    if (this.#health === 'silent') return Number.POSITIVE_INFINITY;
    if (this.#calls.size === 0) return this.#lastSignAtMs + config.idleCloseMs;
    if (this.#pingedAtMs !== undefined) return this.#pingedAtMs + config.pingTimeoutMs;
    return this.#lastSignAtMs + config.pingAfterMs;
  }

  #onWatch(nowMs: number, stalled: boolean): void {
    const { config } = this.#context;
    if (stalled) {
      // We were not running: what ran out meanwhile starts again.
      this.#lastSignAtMs = nowMs;
      this.#connectAtMs = nowMs;
      if (this.#pingedAtMs !== undefined) this.#pingedAtMs = nowMs;
    } else if (nowMs < this.#watchAtMs()) {
      // There has been a sign of life since this was set.
    } else if (!this.#connected) {
      this.#onConnectTimeout(nowMs);
      return;
    } else if (this.#calls.size === 0) {
      this.#drop();
      return;
    } else if (this.#pingedAtMs === undefined) {
      this.#pingedAtMs = nowMs;
      this.#health = 'suspect';
      this.#connection?.ping();
    } else if (config.pingTimeoutMs <= nowMs - this.#pingedAtMs) {
      this.#drop();
      this.#declareSilent('no answer', nowMs);
      return;
    }
    this.#setWatch();
  }

  #onConnectTimeout(nowMs: number): void {
    this.#drop();
    if (this.#health === 'silent') this.#scheduleProbe(nowMs);
    else this.#declareSilent('no answer', nowMs);
  }

  /** All outstanding calls fail in this turn, with one event. */
  #declareSilent(why: 'no answer' | 'refused', nowMs: number): void {
    const { config, stats, tell } = this.#context;
    this.#health = 'silent';
    this.#silentSinceMs = nowMs;
    this.#probeDistanceMs = config.silentProbeMinMs;
    stats.peersSilent++;
    const failedCalls = this.#failAll(why === 'refused' ? 'PEER_UNREACHABLE' : 'PEER_SILENT');
    this.#scheduleProbe(nowMs);
    tell({ type: 'peer:silent', peer: this.#address, why, failedCalls, atMs: nowMs });
  }

  #scheduleProbe(nowMs: number): void {
    const { config, random } = this.#context;
    this.#lastProbeAtMs = nowMs;
    this.#reconnect.set(nowMs + this.#probeDistanceMs * (0.5 + random.float()));
    this.#probeDistanceMs = Math.min(2 * this.#probeDistanceMs, config.reconnectMaxMs);
  }

  /** Somebody wants this silent peer: asks before the next regular probe, but not more often than the first distance. */
  #probeSoon(nowMs: number): void {
    if (this.#connection !== undefined) return;
    this.#reconnect.set(Math.max(nowMs, this.#lastProbeAtMs + this.#context.config.silentProbeMinMs));
  }
}

/** What no waiting mends: the name, or the way there. */
const HOPELESS: Readonly<Record<string, RpcErrorCode>> = {
  ENOTFOUND: 'HOST_UNKNOWN',
  EAI_AGAIN: 'HOST_UNKNOWN',
  EAI_FAIL: 'HOST_UNKNOWN',
  EAI_NONAME: 'HOST_UNKNOWN',
  EACCES: 'NETWORK_UNREACHABLE',
  EADDRNOTAVAIL: 'NETWORK_UNREACHABLE',
  EAFNOSUPPORT: 'NETWORK_UNREACHABLE',
  EHOSTUNREACH: 'NETWORK_UNREACHABLE',
  EINVAL: 'NETWORK_UNREACHABLE',
  ENETDOWN: 'NETWORK_UNREACHABLE',
  ENETUNREACH: 'NETWORK_UNREACHABLE',
  EPERM: 'NETWORK_UNREACHABLE',
};

/** What can be said of an unanswered call: a request that was never written whole cannot have run. */
function executedSoFar(call: ClientCall): Executed {
  return call.mayHaveRun ? 'unknown' : 'no';
}
