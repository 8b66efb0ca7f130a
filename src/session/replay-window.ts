// Which packet numbers of a session have come (RFC 6479): asked before a packet is opened, told after, so that what is
// forged moves nothing. A ring of words, of which only those that a new packet skips are ever cleared.

const WORD_BITS = 32;
const WORDS = 8192 / WORD_BITS;

/** Numbers that far below the highest one are still told apart; one word of the ring is always being filled. */
export const REPLAY_WINDOW_BITS: number = (WORDS - 1) * WORD_BITS;

/** Numbers from 0 to 2^53 - 1. */
export class ReplayWindow {
  readonly #words = new Int32Array(WORDS);
  #highest = -1;

  /** False when it was seen, or is too old to tell. */
  accepts(packetNumber: number): boolean {
    if (packetNumber > this.#highest) return true;
    if (packetNumber <= this.#highest - REPLAY_WINDOW_BITS) return false;
    const word = Math.floor(packetNumber / WORD_BITS) % WORDS;
    return (this.#words[word]! & (1 << (packetNumber % WORD_BITS))) === 0;
  }

  /** It was opened, and {@link accepts} it. */
  add(packetNumber: number): void {
    const wordNumber = Math.floor(packetNumber / WORD_BITS);
    if (packetNumber > this.#highest) {
      const highestWord = Math.floor(this.#highest / WORD_BITS);
      const skipped = Math.min(wordNumber - highestWord, WORDS);
      for (let i = 0; i < skipped; i++) this.#words[(wordNumber - i) % WORDS] = 0;
      this.#highest = packetNumber;
    }
    this.#words[wordNumber % WORDS]! |= 1 << (packetNumber % WORD_BITS);
  }
}
