// Cuts a stream of bytes into the preface and frames, whatever the pieces are in which it comes. Holds one unfinished
// frame at most, whose length is bounded before a byte of it is kept.

import {
  decodeFrame,
  FRAME_HEADER_BYTES,
  type Frame,
  PAYLOAD_MAX_BYTES,
  PREFACE,
  payloadBytes,
} from './frame.ts';

/** What {@link FrameReader.next} finds. After `foreign` or `malformed` there is nothing more to be read. */
export type Found = Frame | 'preface' | 'foreign' | 'malformed' | undefined;

/** Bytes in, frames out. */
export class FrameReader {
  #chunk: Uint8Array = NOTHING;
  #at = 0;
  /** The beginning of what is not complete yet, in a buffer of the size of the whole once that is known. */
  #held: Uint8Array = new Uint8Array(PREFACE.length);
  #heldBytes = 0;
  #prefaceSeen = false;

  /** Bytes that have arrived. What came before must have been read with {@link next}. */
  push(chunk: Uint8Array): void {
    this.#chunk = chunk;
    this.#at = 0;
  }

  /** The next thing in the stream; undefined when it is not complete. Data in it is a view, valid for as long as kept. */
  next(): Found {
    if (!this.#prefaceSeen) return this.#preface();
    if (this.#heldBytes === 0 && this.#held.length <= FRAME_HEADER_BYTES) {
      const whole = this.#wholeFrame();
      if (whole !== undefined) return whole;
    }
    if (this.#held.length <= FRAME_HEADER_BYTES) {
      if (!this.#collect(FRAME_HEADER_BYTES)) return undefined;
      const length = payloadBytes(this.#held, 0);
      if (length > PAYLOAD_MAX_BYTES) return 'malformed';
      const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + length);
      frame.set(this.#held);
      this.#held = frame;
    }
    if (!this.#collect(this.#held.length)) return undefined;
    const frame = this.#held;
    this.#hold(FRAME_HEADER_BYTES);
    return decodeFrame(frame) ?? 'malformed';
  }

  /** The common case: a frame that lies in the chunk with all of its bytes. */
  #wholeFrame(): Found {
    const left = this.#chunk.length - this.#at;
    if (left < FRAME_HEADER_BYTES) return undefined;
    const length = payloadBytes(this.#chunk, this.#at);
    if (length > PAYLOAD_MAX_BYTES) return 'malformed';
    const end = this.#at + FRAME_HEADER_BYTES + length;
    if (end > this.#chunk.length) return undefined;
    const frame = this.#chunk.subarray(this.#at, end);
    this.#at = end;
    return decodeFrame(frame) ?? 'malformed';
  }

  #preface(): Found {
    const complete = this.#collect(PREFACE.length);
    for (let i = 0; i < this.#heldBytes; i++) if (this.#held[i] !== PREFACE[i]) return 'foreign';
    if (!complete) return undefined;
    this.#prefaceSeen = true;
    this.#hold(FRAME_HEADER_BYTES);
    return 'preface';
  }

  /** Moves bytes into the buffer until it holds `bytes`; false when there are not enough. */
  #collect(bytes: number): boolean {
    const taken = this.#chunk.subarray(this.#at, this.#at + bytes - this.#heldBytes);
    this.#held.set(taken, this.#heldBytes);
    this.#heldBytes += taken.length;
    this.#at += taken.length;
    return this.#heldBytes === bytes;
  }

  #hold(bytes: number): void {
    this.#held = new Uint8Array(bytes);
    this.#heldBytes = 0;
  }
}

const NOTHING = new Uint8Array(0);
