// Memory for the large messages that an endpoint sends: what one has used goes to the next. Fresh memory costs more than
// the copy into it, as the operating system clears every page, and what is thrown away is one more collection for every
// few messages of 10 MB.

import { copyParts, totalBytes } from '../base/bytes.ts';

/** Smaller ones are left to the allocator: it is quick with them. */
const LARGE_BYTES = 16 * 1024;

/** Makes messages, and takes them back when nobody reads them any more. */
export class MessageMemory {
  readonly #maxSpareBytes: number;
  /** By size; of one size the one used last is the last. */
  readonly #spare = new Map<number, Buffer[]>();
  #spareBytes = 0;
  /** What is out, so that nothing else is taken back, and nothing twice. */
  readonly #lent = new WeakSet<ArrayBufferLike>();

  constructor(maxSpareBytes: number) {
    this.#maxSpareBytes = maxSpareBytes;
  }

  /** What is held for the next messages. */
  get spareBytes(): number {
    return this.#spareBytes;
  }

  /** All parts in one: a copy, unless there is one part only. */
  join(parts: readonly Uint8Array[]): Uint8Array {
    if (parts.length === 1) return parts[0]!;
    const sizeBytes = totalBytes(parts);
    const message = sizeBytes < LARGE_BYTES ? Buffer.allocUnsafe(sizeBytes) : this.#take(sizeBytes);
    copyParts(parts, message);
    return message;
  }

  #take(sizeBytes: number): Buffer {
    const roundBytes = roundUp(sizeBytes);
    let memory = this.#spare.get(roundBytes)?.pop();
    if (memory === undefined) memory = Buffer.allocUnsafeSlow(roundBytes);
    else this.#spareBytes -= roundBytes;
    this.#lent.add(memory.buffer);
    return memory.subarray(0, sizeBytes);
  }

  /** Nobody reads this message any more. One that was not made here, or has been given back before, is left alone. */
  giveBack({ buffer, length }: Uint8Array): void {
    if (length < LARGE_BYTES || !this.#lent.delete(buffer)) return;
    const sizeBytes = buffer.byteLength;
    if (sizeBytes > this.#maxSpareBytes) return;
    // What was needed last is needed next.
    if (this.#spareBytes + sizeBytes > this.#maxSpareBytes) this.clear();
    const memory = Buffer.from(buffer);
    const sameSize = this.#spare.get(sizeBytes);
    if (sameSize === undefined) this.#spare.set(sizeBytes, [memory]);
    else sameSize.push(memory);
    this.#spareBytes += sizeBytes;
  }

  /** Holds nothing any more. */
  clear(): void {
    this.#spare.clear();
    this.#spareBytes = 0;
  }
}

/** Four sizes between one power of two and the next, so that messages of about one size share their memory. */
function roundUp(sizeBytes: number): number {
  const stepBytes = 2 ** (29 - Math.clz32(sizeBytes - 1));
  return Math.ceil(sizeBytes / stepBytes) * stepBytes;
}
