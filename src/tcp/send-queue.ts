// What waits to be written to one connection: control frames first, then messages, the one with the least left first.
// A message goes out in pieces, so that a small one waits for one piece of a large one and never for all of it; and
// until a piece is written, the rest can be taken back.

import { Heap, type HeapEntry } from '../base/heap.ts';
import { FRAME_OVERHEAD_MAX_BYTES, writeMore } from './frame.ts';

/** A message on its way out. */
export interface Outgoing {
  readonly bytes: Uint8Array;
  /** How much of it has been written; kept by the queue. */
  sentBytes: number;
  /** False until its first frame has been written; kept by the queue. */
  started: boolean;
  /** Its place in the queue; kept by the queue. */
  queueEntry: HeapEntry<Outgoing> | undefined;
  /** Its id in this connection; asked for after `writeStart`. */
  readonly wireId: number;
  /** Writes what its first frame has before the data; returns the offset behind. */
  writeStart(target: Uint8Array, at: number, dataBytes: number): number;
  /** The last byte has been written. */
  onSent(): void;
}

/** Data up to this size is copied next to its header: one buffer is cheaper than two. */
const COPY_MAX_BYTES = 4096;

const SLAB_BYTES = 32 * 1024;

/** Frames for one connection. */
export class SendQueue {
  readonly #pieceBytes: number;
  readonly #messages = new Heap<Outgoing>();
  #control: Uint8Array[] = [];
  #unsentBytes = 0;

  constructor(pieceBytes: number) {
    this.#pieceBytes = pieceBytes;
  }

  get isEmpty(): boolean {
    return this.#control.length === 0 && this.#messages.size === 0;
  }

  /** Bytes of messages that have not been written. */
  get unsentBytes(): number {
    return this.#unsentBytes;
  }

  control(frame: Uint8Array): void {
    this.#control.push(frame);
  }

  add(message: Outgoing): void {
    const left = message.bytes.length - message.sentBytes;
    message.queueEntry = this.#messages.push(left, message);
    this.#unsentBytes += left;
  }

  /** Nothing more of it is written. Returns how many bytes that saves. */
  remove(message: Outgoing): number {
    if (message.queueEntry === undefined) return 0;
    this.#messages.remove(message.queueEntry);
    message.queueEntry = undefined;
    const left = message.bytes.length - message.sentBytes;
    this.#unsentBytes -= left;
    return left;
  }

  /** Takes frames out, of about `maxBytes` together and at least one, as buffers that nobody writes to any more. */
  take(maxBytes: number): Uint8Array[] {
    const batch = new Batch();
    const control = this.#control;
    this.#control = [];
    for (const frame of control) batch.copy(frame);
    for (let entry = this.#messages.peek(); entry !== undefined; entry = this.#messages.peek()) {
      if (batch.sizeBytes >= maxBytes) break;
      this.#takePiece(entry.value, batch);
    }
    return batch.finish();
  }

  #takePiece(message: Outgoing, batch: Batch): void {
    const { bytes, sentBytes: from } = message;
    const to = Math.min(bytes.length, from + this.#pieceBytes);
    const dataBytes = to - from;
    batch.write(FRAME_OVERHEAD_MAX_BYTES, (target, at) =>
      message.started
        ? writeMore(target, at, message.wireId, dataBytes)
        : message.writeStart(target, at, dataBytes),
    );
    batch.append(bytes.subarray(from, to));
    message.started = true;
    message.sentBytes = to;
    this.#unsentBytes -= dataBytes;
    const entry = message.queueEntry!;
    if (to < bytes.length) {
      this.#messages.move(entry, bytes.length - to);
      return;
    }
    this.#messages.remove(entry);
    message.queueEntry = undefined;
    message.onSent();
  }
}

/** Buffers for one write: small things side by side in slabs, large ones as the views that they are. */
class Batch {
  sizeBytes = 0;
  readonly #parts: Uint8Array[] = [];
  #slab: Uint8Array = NOTHING;
  #slabFrom = 0;
  #slabAt = 0;

  write(room: number, writeTo: (target: Uint8Array, at: number) => number): void {
    this.#makeRoom(room);
    const end = writeTo(this.#slab, this.#slabAt);
    this.sizeBytes += end - this.#slabAt;
    this.#slabAt = end;
  }

  copy(bytes: Uint8Array): void {
    this.#makeRoom(bytes.length);
    this.#slab.set(bytes, this.#slabAt);
    this.#slabAt += bytes.length;
    this.sizeBytes += bytes.length;
  }

  append(bytes: Uint8Array): void {
    if (bytes.length <= COPY_MAX_BYTES) {
      this.copy(bytes);
      return;
    }
    this.#cut();
    this.#parts.push(bytes);
    this.sizeBytes += bytes.length;
  }

  finish(): Uint8Array[] {
    this.#cut();
    return this.#parts;
  }

  #makeRoom(bytes: number): void {
    if (this.#slabAt + bytes <= this.#slab.length) return;
    this.#cut();
    // The first slab is small: most writes are one small frame.
    const isSmall = this.#slab.length === 0 && bytes <= FIRST_SLAB_BYTES;
    this.#slab = Buffer.allocUnsafe(isSmall ? FIRST_SLAB_BYTES : SLAB_BYTES);
    this.#slabFrom = 0;
    this.#slabAt = 0;
  }

  #cut(): void {
    if (this.#slabAt > this.#slabFrom) this.#parts.push(this.#slab.subarray(this.#slabFrom, this.#slabAt));
    this.#slabFrom = this.#slabAt;
  }
}

const FIRST_SLAB_BYTES = 1024;
const NOTHING = new Uint8Array(0);
