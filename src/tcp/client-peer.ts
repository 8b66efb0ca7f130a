// A peer that we call: the one connection to it, and what is known of its health. The connection is made when a call
// needs it, made again when it is lost, and given up when nobody uses it; a caller never sees any of that. The calls
// themselves are in client-calls.ts.
//
//   idle ──► connecting ──► open          lost, with calls outstanding: waiting, for a growing time, then connecting
//     ▲           │  ▲       │            nobody there for long enough: all calls fail with PEER_SILENT, and attempts
//     └───────────▼──┴───────┘            with growing distance find out when it is back
//              waiting

import type { PeerReport, SilenceReason } from '../base/call-report.ts';
import type { RpcErrorCode } from '../base/error-code.ts';
import { reportOfRefusal } from '../base/failed-call.ts';
import type { PeerStatus, SilentPeerStatus } from '../base/peer-status.ts';
import { isUsableKey } from '../session/identity.ts';
import { formatPeerAddress, type HostAndPort, parseAddress } from '../transport/address.ts';
import { RpcError } from '../transport/error.ts';
import type { PeerHealth } from '../transport/transport.ts';
import type { CallRequest, ClientCall } from './client-call.ts';
import { ClientCalls, type ClientCallsOwner } from './client-calls.ts';
import { ClientConnection, type ClientConnectionOwner } from './client-connection.ts';
import type { Ending } from './connection.ts';
import type { TcpContext } from './context.ts';
import { capabilityOf, FOREIGN, REFUSED, type SealedServer } from './sealed-stream.ts';
import { Alarm } from './timers.ts';

export class ClientPeer implements ClientConnectionOwner, ClientCallsOwner {
  /** What is printed of it: without key and swissnum. */
  readonly address: string;
  readonly calls: ClientCalls;
  connection: ClientConnection | undefined;
  readonly #context: TcpContext;
  readonly #hosts: readonly [HostAndPort, ...HostAndPort[]];
  readonly #server: SealedServer;
  #health: PeerHealth = 'unknown';
  /** Attempts in a row that found no process: each goes to the next host. */
  #hostsAbsent = 0;
  #connectAtMs = 0;
  #connected = false;
  /** When anything last came from the peer's process. */
  #lastHeardAtMs: number | undefined;
  /** When the connection last showed life, or last became one that should. */
  #lastSignAtMs = 0;
  /** Set while a PING waits for a sign of life. */
  #pingedAtMs: number | undefined;
  /** Connections lost or not made since the last answer. */
  #failures = 0;
  /** Since when no process has been found there. */
  #absentSinceMs: number | undefined;
  #silentSinceMs = 0;
  #why: SilenceReason = 'no answer';
  /** Since the last sign of life its machine was asked whether it lives, and has answered. */
  #machineAsked = false;
  #machineAnswered = false;
  #probeDistanceMs = 0;
  #graceUntilMs = Number.NEGATIVE_INFINITY;
  #lastProbeAtMs = Number.NEGATIVE_INFINITY;
  readonly #reconnect: Alarm;
  /** For the connection that there is: not made in time, silent, or idle. */
  readonly #watch: Alarm;

  /** `address` is a sealed one. @throws RpcError BAD_ARGUMENT when it is no address of a peer. */
  constructor(context: TcpContext, address: string) {
    const { key, hosts, swissnum } = parseAddress(address);
    this.#context = context;
    this.address = formatPeerAddress(hosts[0]);
    if (!isUsableKey(key)) {
      throw new RpcError('BAD_ARGUMENT', `nobody can have the key in the address of ${this.address}`);
    }
    this.#hosts = hosts;
    this.#server = { key, capability: capabilityOf(key, swissnum) };
    this.calls = new ClientCalls(context, this);
    this.#reconnect = new Alarm(context.timers, () => this.#connect());
    this.#watch = new Alarm(context.timers, (nowMs, stalled) => this.#onWatch(nowMs, stalled));
  }

  get health(): PeerHealth {
    return this.#health;
  }

  /** What explains a call that fails now. */
  report(nowMs: number): PeerReport {
    const { rtt } = this.calls;
    return {
      health: this.#health,
      ...(this.#health === 'silent' && { silence: this.#why }),
      ...(this.#lastHeardAtMs !== undefined && { sinceHeardMs: nowMs - this.#lastHeardAtMs }),
      outstandingCalls: this.calls.size,
      rttMeasured: rtt.sampled,
      smoothedRttMs: rtt.smoothedMs,
      rttVarianceMs: rtt.varianceMs,
    };
  }

  /** Its row in the table of live peers; `undefined` of one that is silent, or was never called. */
  liveStatus(nowMs: number): PeerStatus | undefined {
    const health = this.#health;
    if (health === 'silent' || (health === 'unknown' && this.calls.size === 0)) return undefined;
    const { rtt, responseTimes, size } = this.calls;
    const { smoothedMs, varianceMs, minMs } = rtt;
    return {
      address: this.address,
      health,
      ...(this.#lastHeardAtMs !== undefined && { sinceHeardMs: nowMs - this.#lastHeardAtMs }),
      outstandingCalls: size,
      unansweredProbes: this.#failures + (this.#pingedAtMs === undefined ? 0 : 1),
      ...(rtt.sampled && { rtt: { smoothedMs, varianceMs, minMs } }),
      responseTimes: responseTimes.rows(nowMs),
    };
  }

  silentStatus(nowMs: number): SilentPeerStatus | undefined {
    if (this.#health !== 'silent') return undefined;
    const probeAtMs = this.connection === undefined ? this.#reconnect.atMs : nowMs;
    return {
      address: this.address,
      why: this.#why,
      silentForMs: nowMs - this.#silentSinceMs,
      nextProbeInMs: Math.max(0, probeAtMs - nowMs),
      ...(this.#lastHeardAtMs !== undefined && { sinceHeardMs: nowMs - this.#lastHeardAtMs }),
    };
  }

  /** Starts a call; fails it at once when the peer is silent. */
  start(request: CallRequest): void {
    const { clock, outcomes, stats } = this.#context;
    const nowMs = clock.now();
    stats.callsStarted++;
    if (this.#health === 'silent') {
      stats.callsFailed++;
      this.#probeSoon(nowMs);
      const report = reportOfRefusal(request.bytes.length, request.limits, this.report(nowMs));
      outcomes.fail(request.callId, 'PEER_SILENT', 'no', undefined, report);
      return;
    }
    if (this.calls.size === 0) {
      // Silence counts from now.
      this.#lastSignAtMs = nowMs;
      this.#pingedAtMs = undefined;
    }
    const call = this.calls.add(request);
    if (this.connection !== undefined) call.sendOver(this.connection);
    else if (this.#reconnect.atMs === Number.POSITIVE_INFINITY) this.#connect();
    this.#setWatch();
  }

  /** Never mind. */
  cancel(callId: number): void {
    this.calls.cancel(callId);
  }

  /** Fails all calls with CLOSED and lets go of everything. */
  close(): void {
    this.calls.failAll('CLOSED');
    this.#reconnect.clear();
    this.#drop();
  }

  onIdle(): void {
    // Nobody needs another connection now, unless to find out whether a silent peer is back.
    if (this.#health !== 'silent') this.#reconnect.clear();
    this.#lastSignAtMs = this.#context.clock.now();
    this.#setWatch();
  }

  // ---- the connection

  /** The one to dial: after each that was not there, the next. */
  get #host(): HostAndPort {
    return this.#hosts[this.#hostsAbsent % this.#hosts.length]!;
  }

  #connect(): void {
    const { clock } = this.#context;
    this.#reconnect.clear();
    this.#connectAtMs = clock.now();
    this.#connected = false;
    this.#pingedAtMs = undefined;
    const connection = new ClientConnection(this.#context, this.#host, this.#server, this);
    this.connection = connection;
    for (const call of this.calls) call.sendOver(connection);
    this.#setWatch();
  }

  onConnected(): void {
    const nowMs = this.#context.clock.now();
    // One round trip of SYN and its answer: the operating system's, with nothing of the process in it.
    if (this.#connectAtMs >= this.#context.timers.stalledUntilMs) {
      this.calls.rtt.update(nowMs - this.#connectAtMs, 0);
    }
    this.#connected = true;
    this.#lastSignAtMs = nowMs;
    this.#setWatch();
  }

  onProven(): void {
    const nowMs = this.#context.clock.now();
    const silentMs = this.#health === 'silent' ? nowMs - this.#silentSinceMs : undefined;
    this.#absentSinceMs = undefined;
    this.#hostsAbsent = 0;
    this.#health = 'live';
    this.onHeard();
    this.#setWatch();
    if (silentMs === undefined) return;
    this.#failures = 0;
    this.#context.tell({ type: 'peer:back', peer: this.address, silentMs, atMs: nowMs });
  }

  onHeard(): void {
    this.#lastHeardAtMs = this.#context.clock.now();
    this.onSign();
  }

  onSign(): void {
    this.#lastSignAtMs = this.#context.clock.now();
    this.#pingedAtMs = undefined;
    this.#machineAsked = false;
    if (this.connection?.proven && this.#health === 'suspect') this.#health = 'live';
  }

  onResponse(call: ClientCall, status: number, heldUs: number, body: Uint8Array): void {
    this.#failures = 0;
    this.calls.onResponse(call, status, heldUs, body);
  }

  onResponseRefused(call: ClientCall, code: 'TOO_LARGE' | 'OVERLOADED'): void {
    this.calls.onResponseRefused(call, code);
  }

  onEnded(ending: Ending): void {
    const wasProven = this.connection?.proven ?? false;
    this.#drop();
    if (ending.why === 'foreign') {
      this.calls.failAll('BAD_MESSAGE');
      return;
    }
    const hopeless = ending.why === 'closed' ? HOPELESS[ending.code ?? ''] : undefined;
    const mayPass = hopeless !== 'UNAUTHORIZED' && hopeless !== 'BAD_MESSAGE' && this.#isWaking;
    if (hopeless !== undefined && !mayPass && this.#health !== 'silent') {
      this.calls.failAll(hopeless);
      return;
    }
    this.calls.onConnectionLost();
    const nowMs = this.#context.clock.now();
    this.#failures++;
    if (!wasProven) {
      this.#absentSinceMs ??= nowMs;
      this.#hostsAbsent++;
    }
    if (this.#health === 'silent') this.#scheduleProbe(nowMs);
    else if (this.calls.size > 0) this.#retry(ending, nowMs);
    else this.#failures = 0;
  }

  #retry(ending: Ending, nowMs: number): void {
    const { config, random } = this.#context;
    const absentMs = this.#absentSinceMs === undefined ? 0 : nowMs - this.#absentSinceMs;
    if (absentMs >= config.connectGiveUpMs && !this.#isWaking) {
      const refused = ending.why === 'closed' && ending.code === 'ECONNREFUSED';
      this.#declareSilent(refused, nowMs);
      return;
    }
    this.#doubt();
    const distanceMs = Math.min(
      config.reconnectMinMs * 2 ** Math.min(this.#failures - 1, 30),
      config.reconnectMaxMs,
    );
    this.#reconnect.set(nowMs + distanceMs * (0.5 + random.float()));
  }

  /** The machine has slept, and may be without a network yet: whoever is waited for is asked at once. */
  onWake(nowMs: number): void {
    this.#lastSignAtMs = nowMs;
    this.#graceUntilMs = nowMs + this.#context.config.wakeGraceMs;
    if (this.#absentSinceMs !== undefined) this.#absentSinceMs = nowMs;
    if (this.connection === undefined) {
      if (this.calls.size > 0) this.#connect();
      return;
    }
    if (!this.#connected) this.#connectAtMs = nowMs;
    else if (this.calls.size > 0) {
      this.#pingedAtMs = nowMs;
      this.connection.ping();
    }
    this.#setWatch();
  }

  get #isWaking(): boolean {
    return this.#context.clock.now() < this.#graceUntilMs;
  }

  #drop(): void {
    const connection = this.connection;
    this.connection = undefined;
    this.#watch.clear();
    connection?.destroy();
  }

  // ---- silence

  #setWatch(): void {
    this.#watch.set(this.#watchAtMs());
  }

  #watchAtMs(): number {
    const { config } = this.#context;
    if (this.connection === undefined) return Number.POSITIVE_INFINITY;
    // The first half is waited for before anybody doubts.
    const trusts = this.#health === 'unknown' || this.#health === 'live';
    if (!this.#connected) return this.#connectAtMs + config.connectTimeoutMs / (trusts ? 2 : 1);
    // Whoever waits for a silent peer to come back waits as long as the connection lasts.
    if (this.#health === 'silent') return Number.POSITIVE_INFINITY;
    if (this.calls.size === 0) return this.#lastSignAtMs + config.idleCloseMs;
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
      if (nowMs >= this.#connectAtMs + config.connectTimeoutMs) {
        this.#onConnectTimeout(nowMs);
        return;
      }
      this.#doubt();
    } else if (this.calls.size === 0) {
      this.#drop();
      return;
    } else if (this.#pingedAtMs === undefined) {
      this.#pingedAtMs = nowMs;
      this.#doubt();
      this.connection?.ping();
    } else if (config.pingTimeoutMs <= nowMs - this.#pingedAtMs) {
      this.#drop();
      this.#declareSilent(false, nowMs);
      return;
    }
    this.#setWatch();
  }

  #onConnectTimeout(nowMs: number): void {
    this.#drop();
    this.#hostsAbsent++;
    if (this.#health === 'silent') this.#scheduleProbe(nowMs);
    else this.#declareSilent(false, nowMs);
  }

  /** It may not be there. Its machine is asked now, so that nothing has to wait for that when it counts as silent. */
  #doubt(): void {
    if (this.#health !== 'silent') this.#health = 'suspect';
    const { network } = this.#context;
    if (this.#machineAsked || network.askMachine === undefined) return;
    this.#machineAsked = true;
    this.#machineAnswered = false;
    network.askMachine(this.#host, () => {
      this.#machineAnswered = true;
      if (this.#health === 'silent' && this.#why === 'vanished') this.#why = 'frozen';
    });
  }

  /** P-99 */
  #reason(refused: boolean): SilenceReason {
    if (refused) return 'refused';
    if (!this.#machineAsked) return 'no answer';
    return this.#machineAnswered ? 'frozen' : 'vanished';
  }

  /** All outstanding calls fail in this turn, with one event. */
  #declareSilent(refused: boolean, nowMs: number): void {
    const { config, stats, tell } = this.#context;
    const why = this.#reason(refused);
    this.#health = 'silent';
    this.#why = why;
    this.#machineAsked = false;
    this.#silentSinceMs = nowMs;
    this.#probeDistanceMs = config.silentProbeMinMs;
    stats.peersSilent++;
    const failedCalls = this.calls.failAll(refused ? 'PEER_UNREACHABLE' : 'PEER_SILENT');
    this.#scheduleProbe(nowMs);
    tell({ type: 'peer:silent', peer: this.address, why, failedCalls, atMs: nowMs });
  }

  #scheduleProbe(nowMs: number): void {
    const { config, random } = this.#context;
    this.#lastProbeAtMs = nowMs;
    this.#reconnect.set(nowMs + this.#probeDistanceMs * (0.5 + random.float()));
    this.#probeDistanceMs = Math.min(2 * this.#probeDistanceMs, config.reconnectMaxMs);
  }

  /** Somebody wants this silent peer: asks before the next regular probe, but not more often than the first distance. */
  #probeSoon(nowMs: number): void {
    if (this.connection !== undefined) return;
    const soonestMs = Math.max(nowMs, this.#lastProbeAtMs + this.#context.config.silentProbeMinMs);
    this.#reconnect.set(Math.min(this.#reconnect.atMs, soonestMs));
  }
}

/** What no waiting mends: the name, or the way there. */
const HOPELESS: Readonly<Record<string, RpcErrorCode>> = {
  [REFUSED]: 'UNAUTHORIZED',
  [FOREIGN]: 'BAD_MESSAGE',
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
