// Tells what happens in an endpoint, packet by packet, for the replay of a seed. It stands between the endpoint and
// the watch that looks for violations, and passes everything on.

import type { EndpointEvent } from '../../src/protocol/events.ts';
import type {
  EndpointObserver,
  ObservedCall,
  ObservedLoss,
  ObservedPacket,
  ObservedSession,
} from '../../src/protocol/observer.ts';
import { formatAddress, type PathAddress } from '../../src/protocol/path.ts';
import { decodeFrames, type Frame } from '../../src/wire/frame.ts';

export class StoryObserver implements EndpointObserver {
  readonly #host: string;
  readonly #next: EndpointObserver;
  readonly #tell: (text: string) => void;

  constructor(host: string, next: EndpointObserver, tell: (text: string) => void) {
    this.#host = host;
    this.#next = next;
    this.#tell = tell;
  }

  packetSent(packet: ObservedPacket): void {
    this.#tell(`${this.#host} sends ${describe(packet)} to ${formatAddress(packet.peer)}: ${inside(packet)}`);
    this.#next.packetSent(packet);
  }

  packetReceived(packet: ObservedPacket): void {
    this.#tell(`${this.#host} got ${describe(packet)} from ${formatAddress(packet.peer)}: ${inside(packet)}`);
    this.#next.packetReceived(packet);
  }

  packetLost(session: ObservedSession, packet: ObservedLoss): void {
    this.#tell(
      `${this.#host} takes packet ${packet.packetNumber} of ${short(session.localSession)} for lost`,
    );
    this.#next.packetLost(session, packet);
  }

  datagramDropped(from: PathAddress, sizeBytes: number): void {
    this.#tell(`${this.#host} drops ${sizeBytes} bytes from ${formatAddress(from)}`);
    this.#next.datagramDropped(from, sizeBytes);
  }

  sessionUpdated(session: ObservedSession): void {
    this.#next.sessionUpdated(session);
  }

  callStarted(call: ObservedCall): void {
    this.#tell(
      `${this.#host} begins call id ${call.callId} to ${formatAddress(call.peer)}: ${call.method}, ` +
        `${call.requestBytes} bytes, deadline ${call.deadlineAfterMs} ms`,
    );
    this.#next.callStarted(call);
  }

  callCancelled(callId: number): void {
    this.#tell(`${this.#host} cancels call id ${callId}`);
    this.#next.callCancelled(callId);
  }

  event(event: EndpointEvent): void {
    this.#tell(`${this.#host}: ${describeEvent(event)}`);
    this.#next.event(event);
  }
}

/** One frame in a few words. */
function describeFrame(frame: Frame): string {
  switch (frame.type) {
    case 'ack':
      return `ack ${frame.ranges.map(([first, last]) => `${first}-${last}`).join(',')}`;
    case 'hello':
      return `hello(epoch ${short(frame.epoch)}, known ${short(frame.knownEpoch)})`;
    case 'request':
    case 'response':
      return `${frame.type} ${frame.callId} ${frame.offset}+${frame.data.length}/${frame.total}`;
    case 'request-start':
    case 'response-start':
      return `${frame.type} ${frame.callId} 0+${frame.data.length}/${frame.total}`;
    case 'cancel':
    case 'cancelled':
      return `${frame.type} ${frame.ranges.map(([first, last]) => `${first}-${last}`).join(',')}`;
    case 'grant':
      return `grant ${frame.callId} ${frame.limit}`;
    case 'working':
    case 'unknown':
      return `${frame.type} ${frame.callId}`;
    default:
      return frame.type;
  }
}

function inside({ frames }: ObservedPacket): string {
  const decoded = decodeFrames(frames);
  return decoded === undefined ? 'malformed' : decoded.map(describeFrame).join('; ');
}

function describe({ kind, packetNumber, session, sizeBytes }: ObservedPacket): string {
  return `${kind} ${packetNumber} (session ${short(session)}, ${sizeBytes} bytes)`;
}

function describeEvent(event: EndpointEvent): string {
  switch (event.type) {
    case 'answered':
      return `call id ${event.callId} is answered`;
    case 'failed':
      return `call id ${event.callId} fails with ${event.code}, executed ${event.executed}`;
    case 'overdue':
      return `call id ${event.callId} is overdue`;
    case 'request':
      return `runs ${event.method} for call id ${event.ref.callId} of ${short(event.ref.clientEpoch)}`;
    case 'request-cancelled':
      return `nobody waits for call id ${event.ref.callId} of ${short(event.ref.clientEpoch)}: ${event.reason}`;
    case 'peer-live':
    case 'peer-suspect':
    case 'peer-back':
      return `${event.type} ${formatAddress(event.address)}`;
    case 'peer-silent':
      return `peer-silent ${formatAddress(event.address)}: ${event.why}, ${event.failedCalls} calls fail`;
    default:
      return (event as EndpointEvent).type;
  }
}

/** Ids of 53 bits in as many letters as tell them apart. */
function short(id: number): string {
  return id === 0 ? '0' : id.toString(36).slice(-4);
}
