// What an endpoint's observer sees, as records of qlog: version 0.3 of its main schema, the newest that qvis reads. What
// is in a trace, and where it departs from QUIC's: spec/observability.md. Writing them down is trace-file.ts.

import { LRUCache } from 'lru-cache';
import type { Clock } from '../base/clock.ts';
import type { EndpointEvent } from '../protocol/events.ts';
import type {
  EndpointObserver,
  ObservedCall,
  ObservedLoss,
  ObservedPacket,
  ObservedSession,
} from '../protocol/observer.ts';
import { formatAddress, type PathAddress } from '../protocol/path.ts';
import { decodeFrames, type Frame } from '../wire/frame.ts';

/** One event of a trace. */
export interface QlogRecord {
  /** Milliseconds on the endpoint's clock. */
  readonly time: number;
  /** `category:type`. */
  readonly name: string;
  /** Whom it is about, in the role that we have: `to 10.0.0.1:4820`, `from …`; `local` when it is nobody in particular. */
  readonly group_id: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** What the first record of a file says. */
export interface QlogHeaderOptions {
  readonly title: string;
  /** What the endpoint mostly is. */
  readonly vantagePoint: 'client' | 'server';
  /** Wall clock, in milliseconds since 1970, when the endpoint's clock was 0. */
  readonly referenceUnixMs: number;
}

export function qlogHeader({ title, vantagePoint, referenceUnixMs }: QlogHeaderOptions): object {
  return {
    qlog_version: '0.3',
    qlog_format: 'JSON-SEQ',
    title,
    trace: {
      vantage_point: { name: title, type: vantagePoint },
      common_fields: {
        protocol_type: ['nevermind'],
        time_format: 'relative',
        reference_time: referenceUnixMs,
      },
    },
  };
}

/** Sessions and clients that are known by name; older ones get a new one when they appear again. */
const NAMES_MAX = 20_000;

const LOCAL = 'local';

/** Turns what happens into records, and gives them to `write` in order. */
export class QlogTrace implements EndpointObserver {
  readonly #clock: Clock;
  readonly #write: (record: QlogRecord) => void;
  /** Session ids are secrets: they are written as small numbers. */
  readonly #sessions = new LRUCache<number, SessionTrace>({ max: NAMES_MAX });
  readonly #groupOfClient = new LRUCache<number, string>({ max: NAMES_MAX });
  readonly #calls = new Map<number, { readonly group: string; readonly startedAtMs: number }>();
  #nextSession = 1;

  constructor(clock: Clock, write: (record: QlogRecord) => void) {
    this.#clock = clock;
    this.#write = write;
  }

  packetSent(packet: ObservedPacket): void {
    this.#packet('transport:packet_sent', packet);
  }

  packetReceived(packet: ObservedPacket): void {
    this.#packet('transport:packet_received', packet);
  }

  packetLost(session: ObservedSession, packet: ObservedLoss): void {
    const { name } = this.#session(session.localSession);
    this.#record('recovery:packet_lost', groupOf(session.role, session.path.address), {
      header: { packet_type: '1RTT', packet_number: packet.packetNumber, scid: name },
      raw: { length: packet.sizeBytes },
      ...(packet.mtuProbe && { is_mtu_probe_packet: true }),
    });
  }

  datagramDropped(from: PathAddress, sizeBytes: number): void {
    this.#record('transport:packet_dropped', LOCAL, {
      raw: { length: sizeBytes },
      from: formatAddress(from),
    });
  }

  sessionUpdated(session: ObservedSession): void {
    const { path } = session;
    const { rtt, congestion, datagramBytes } = path;
    const group = groupOf(session.role, path.address);
    const known = this.#session(session.localSession);
    if (known.datagramBytes !== datagramBytes) {
      this.#record('connectivity:mtu_updated', group, { old: known.datagramBytes, new: datagramBytes });
      known.datagramBytes = datagramBytes;
    }
    const bitsPerMs = 8 * congestion.pacingBytesPerMs(rtt);
    const changes = known.metrics.changes({
      min_rtt: rtt.minMs,
      smoothed_rtt: rtt.smoothedMs,
      latest_rtt: rtt.latestMs,
      rtt_variance: rtt.varianceMs,
      pto_count: session.probeCount,
      congestion_window: congestion.windowBytes,
      bytes_in_flight: session.sent.bytesInFlight,
      pacing_rate: Math.round(1000 * bitsPerMs),
      loss_rate: path.lossRate,
    });
    if (changes !== undefined) this.#record('recovery:metrics_updated', group, changes);
  }

  callStarted(call: ObservedCall): void {
    const group = groupOf('client', call.peer);
    this.#calls.set(call.callId, { group, startedAtMs: this.#clock.now() });
    this.#record('nevermind:call_started', group, {
      call_id: call.callId,
      method: call.method,
      request_bytes: call.requestBytes,
      deadline_ms: rounded(call.deadlineAfterMs),
      overdue_ms: rounded(call.overdueAfterMs),
    });
  }

  callCancelled(callId: number): void {
    this.#callEnded(callId, { outcome: 'cancelled' });
  }

  event(event: EndpointEvent): void {
    switch (event.type) {
      case 'answered':
        this.#callEnded(event.callId, { outcome: 'answered', answer_bytes: event.body.length });
        break;
      case 'failed': {
        const { code, executed, report } = event;
        this.#callEnded(event.callId, { outcome: 'failed', code, executed, report });
        break;
      }
      case 'overdue':
        this.#record('nevermind:call_overdue', this.#calls.get(event.callId)?.group ?? LOCAL, {
          call_id: event.callId,
          after_ms: rounded(event.afterMs),
        });
        break;
      case 'request': {
        const group = groupOf('server', event.from);
        this.#groupOfClient.set(event.ref.clientEpoch, group);
        this.#record('nevermind:request_started', group, {
          call_id: event.ref.callId,
          method: event.method,
          request_bytes: event.body.length,
        });
        break;
      }
      case 'request-cancelled':
        this.#record('nevermind:request_cancelled', this.#groupOfClient.get(event.ref.clientEpoch) ?? LOCAL, {
          call_id: event.ref.callId,
          reason: event.reason,
        });
        break;
      case 'peer-live':
        this.#health(event.address, { health: 'live' });
        break;
      case 'peer-suspect':
        this.#health(event.address, { health: 'suspect' });
        break;
      case 'peer-silent':
        this.#health(event.address, {
          health: 'silent',
          why: event.why,
          failed_calls: event.failedCalls,
        });
        break;
      case 'peer-back':
        this.#health(event.address, { health: 'live', silent_ms: event.silentMs });
        break;
      default:
        event satisfies never;
    }
  }

  #packet(name: string, packet: ObservedPacket): void {
    const { kind, packetNumber, sizeBytes, session } = packet;
    this.#record(name, groupOf(packet.role, packet.peer), {
      header: {
        packet_type: kind === 'data' ? '1RTT' : 'initial',
        packet_number: packetNumber,
        scid: this.#session(session).name,
      },
      raw: { length: sizeBytes },
      // Summed up here and now: a view of the datagram would keep all of it in memory.
      frames: decodeFrames(packet.frames)?.map(qlogFrame) ?? [],
    });
  }

  #callEnded(callId: number, data: Readonly<Record<string, unknown>>): void {
    const call = this.#calls.get(callId);
    this.#calls.delete(callId);
    this.#record('nevermind:call_ended', call?.group ?? LOCAL, {
      call_id: callId,
      ...(call !== undefined && { elapsed_ms: rounded(this.#clock.now() - call.startedAtMs) }),
      ...data,
    });
  }

  #health(address: PathAddress, data: Readonly<Record<string, unknown>>): void {
    this.#record('nevermind:peer_health_updated', groupOf('client', address), data);
  }

  #session(session: number): SessionTrace {
    let known = this.#sessions.get(session);
    if (known === undefined) {
      const name = (this.#nextSession++).toString(16).padStart(2, '0');
      known = { name, datagramBytes: undefined, metrics: new Metrics() };
      this.#sessions.set(session, known);
    }
    return known;
  }

  #record(name: string, group_id: string, data: Readonly<Record<string, unknown>>): void {
    this.#write({ time: rounded(this.#clock.now()), name, group_id, data });
  }
}

interface SessionTrace {
  readonly name: string;
  datagramBytes: number | undefined;
  readonly metrics: Metrics;
}

/** Remembers what was written of a session, so that only changes are. */
class Metrics {
  readonly #written = new Map<string, number>();

  changes(now: Readonly<Record<string, number>>): Record<string, number> | undefined {
    let changes: Record<string, number> | undefined;
    for (const [name, exact] of Object.entries(now)) {
      const value = rounded(exact);
      if (this.#written.get(name) === value) continue;
      this.#written.set(name, value);
      changes ??= {};
      changes[name] = value;
    }
    return changes;
  }
}

/** To the microsecond: more digits say nothing. */
function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

function groupOf(role: 'client' | 'server', peer: PathAddress): string {
  return `${role === 'client' ? 'to' : 'from'} ${formatAddress(peer)}`;
}

/**
 * A frame in qlog's words where QUIC has the like: requests and answers are the two directions of a stream with the
 * call's id. Epochs and tokens are left out, as whoever knows them may pretend to be somebody.
 */
function qlogFrame(frame: Frame): Readonly<Record<string, unknown>> {
  switch (frame.type) {
    case 'ack':
      return {
        frame_type: 'ack',
        ack_delay: frame.delayUs / 1000,
        acked_ranges: [...frame.ranges].reverse(),
      };
    case 'hello':
      return {
        frame_type: 'hello',
        max_datagram_bytes: frame.maxDatagramBytes,
        initial_grant_bytes: frame.initialGrantBytes,
      };
    case 'request-start':
      return {
        ...streamFrame(frame.callId, 0, frame.data.length, frame.total),
        remaining_ms: frame.remainingMs,
      };
    case 'response-start':
      return {
        ...streamFrame(frame.callId, 0, frame.data.length, frame.total),
        status: frame.status,
        held_ms: frame.heldUs / 1000,
      };
    case 'request':
    case 'response':
      return streamFrame(frame.callId, frame.offset, frame.data.length, frame.total);
    case 'grant':
      return { frame_type: 'max_stream_data', stream_id: frame.callId, maximum: frame.limit };
    case 'cancel':
      return { frame_type: 'cancel', call_ids: frame.ranges };
    case 'cancelled':
      return { frame_type: 'cancelled', call_ids: frame.ranges, executed: frame.executed };
    case 'working':
    case 'unknown':
      return { frame_type: frame.type, stream_id: frame.callId };
    case 'path-challenge':
      return { frame_type: 'path_challenge' };
    case 'path-response':
      return { frame_type: 'path_response' };
    case 'ping':
      return { frame_type: 'ping' };
    default:
      return frame satisfies never;
  }
}

function streamFrame(callId: number, offset: number, length: number, total: number): Record<string, unknown> {
  return { frame_type: 'stream', stream_id: callId, offset, length, fin: offset + length === total };
}
