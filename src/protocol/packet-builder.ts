// One datagram being filled. Buffers are cut from large slabs: allocating per datagram costs more than filling
// one (craft.md: 0.8 µs).

import type { SentItem } from './sent-packets.ts';

const SLAB_BYTES = 256 * 1024;

/** Hands out buffers; what a datagram does not use goes to the next one. */
export class Slab {
  #slab: Buffer = Buffer.alloc(0);
  #at = 0;

  /** A buffer of `sizeBytes`, owned by the caller once {@link commit} has been called. */
  take(sizeBytes: number): Buffer {
    if (this.#at + sizeBytes > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, sizeBytes));
      this.#at = 0;
    }
    return this.#slab.subarray(this.#at, this.#at + sizeBytes);
  }

  commit(usedBytes: number): void {
    this.#at += usedBytes;
  }

  /** Nobody reads what was handed out any more: it is written over while it is still in the processor's cache. */
  reuse(): void {
    this.#at = 0;
  }
}

/** Frames are written at `at`, up to `limit`. */
export class PacketBuilder {
  readonly buffer: Buffer;
  at: number;
  readonly limit: number;
  readonly items: SentItem[] = [];
  ackEliciting = false;

  constructor(buffer: Buffer, headerBytes: number, trailerBytes: number) {
    this.buffer = buffer;
    this.at = headerBytes;
    this.limit = buffer.length - trailerBytes;
  }

  get room(): number {
    return this.limit - this.at;
  }

  /** Zeros up to `sizeBytes` of frames end; zeros are PADDING frames. */
  padTo(end: number): void {
    if (end > this.at) {
      this.buffer.fill(0, this.at, end);
      this.at = end;
    }
  }
}
