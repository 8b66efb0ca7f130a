// The control frames of calls: each knows when it has become pointless, so that a lost packet does not bring
// back what nobody needs any more.

import {
  CALL_FRAME_BYTES_MAX,
  cancelBytesMax,
  type FRAME,
  GRANT_BYTES_MAX,
  type IdRange,
  MAX_RANGES_PER_FRAME,
  writeCallFrame,
  writeCancel,
  writeCancelled,
  writeGrant,
} from '../wire/frame.ts';
import type { IncomingMessage } from './incoming-message.ts';
import type { ControlFrame, Outbox } from './outbox.ts';

/** CANCEL or CANCELLED for a set of calls; calls may be added until it is first written. */
export class RangesFrame implements ControlFrame {
  /** Set when it is not to be sent (again): the peer never heard of these calls, or hears of them later. */
  obsolete = false;
  readonly #outbox: Outbox;
  readonly #kind: 'cancel' | { readonly executed: 'no' | 'yes' };
  readonly #onTold: (() => void) | undefined;
  readonly #ranges: [first: number, last: number][] = [];
  #written = false;

  /** `onTold`: the peer has acknowledged it. */
  constructor(
    outbox: Outbox,
    kind: 'cancel' | { readonly executed: 'no' | 'yes' },
    onTold?: (() => void) | undefined,
  ) {
    this.#outbox = outbox;
    this.#kind = kind;
    this.#onTold = onTold;
  }

  get ranges(): readonly IdRange[] {
    return this.#ranges;
  }

  /** False when it is on its way, or full: a new frame is needed. Ids come in any order. */
  add(first: number, last: number): boolean {
    if (this.#written || this.obsolete) return false;
    const end = this.#ranges.at(-1);
    if (end !== undefined && first === end[1] + 1) {
      end[1] = last;
      return true;
    }
    // Leaves room for the ranges in one minimal datagram beside an ACK.
    if (this.#ranges.length >= MAX_RANGES_PER_FRAME / 8) return false;
    this.#ranges.push([first, last]);
    return true;
  }

  get bytesMax(): number {
    return cancelBytesMax(this.#ranges.length);
  }

  get matters(): boolean {
    return !this.obsolete;
  }

  write(target: Uint8Array, at: number): number {
    this.#written = true;
    const ranges = disjoint(this.#ranges);
    return this.#kind === 'cancel'
      ? writeCancel(target, at, ranges)
      : writeCancelled(target, at, this.#kind.executed, ranges);
  }

  onAcked(): void {
    this.#onTold?.();
  }

  onLost(): void {
    if (this.matters) this.#outbox.control(this);
  }
}

function disjoint(ranges: [number, number][]): IdRange[] {
  ranges.sort((a, b) => a[0] - b[0]);
  const merged: [number, number][] = [];
  for (const [first, last] of ranges) {
    const end = merged.at(-1);
    if (end !== undefined && first <= end[1] + 1) end[1] = Math.max(end[1], last);
    else merged.push([first, last]);
  }
  return merged;
}

/** GRANT: always writes the newest limit; pointless once everything has arrived or the call has settled. */
export class GrantFrame implements ControlFrame {
  readonly bytesMax: number = GRANT_BYTES_MAX;
  readonly #outbox: Outbox;
  readonly #callId: number;
  readonly #message: IncomingMessage;
  readonly #wanted: () => boolean;
  #queued = false;

  constructor(outbox: Outbox, callId: number, message: IncomingMessage, wanted: () => boolean) {
    this.#outbox = outbox;
    this.#callId = callId;
    this.#message = message;
    this.#wanted = wanted;
  }

  /** Queues it unless it is waiting already. */
  send(): void {
    if (this.#queued) return;
    this.#queued = true;
    this.#outbox.control(this);
  }

  get matters(): boolean {
    const matters = this.#message.remainingBytes > 0 && this.#wanted();
    if (!matters) this.#queued = false;
    return matters;
  }

  write(target: Uint8Array, at: number): number {
    this.#queued = false;
    return writeGrant(target, at, this.#callId, this.#message.granted);
  }

  onAcked(): void {}

  onLost(): void {
    if (this.matters) this.send();
  }
}

/** WORKING or UNKNOWN about one call. */
export class CallFrame implements ControlFrame {
  readonly bytesMax: number = CALL_FRAME_BYTES_MAX;
  readonly #outbox: Outbox;
  readonly #type: typeof FRAME.working | typeof FRAME.unknown;
  readonly #callId: number;
  readonly #wanted: () => boolean;

  constructor(
    outbox: Outbox,
    type: typeof FRAME.working | typeof FRAME.unknown,
    callId: number,
    wanted: () => boolean,
  ) {
    this.#outbox = outbox;
    this.#type = type;
    this.#callId = callId;
    this.#wanted = wanted;
  }

  get matters(): boolean {
    return this.#wanted();
  }

  write(target: Uint8Array, at: number): number {
    return writeCallFrame(target, at, this.#type, this.#callId);
  }

  onAcked(): void {}

  onLost(): void {
    if (this.matters) this.#outbox.control(this);
  }
}
