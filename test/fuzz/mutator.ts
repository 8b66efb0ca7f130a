// Makes a new input of known ones, in place and without allocating: what is done to it is drawn from a seed.

/** Numbers on both sides of which code tends to behave differently. */
const INTERESTING = [0, 1, 2, 15, 16, 31, 32, 63, 64, 100, 127, 128, 191, 192, 223, 224, 240, 254, 255];

/** Changes stacked on one input: 2 to the power of 0 to this. */
const STACK_POWER_MAX = 3;

/** xorshift32: fast, and good enough to choose bytes. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0 || 0x9e3779b9;
    for (let i = 0; i < 16; i++) this.next();
  }

  /** 32 random bits, as a signed integer. */
  next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x;
  }

  /** 0 to `bound` - 1. */
  below(bound: number): number {
    return (this.next() >>> 0) % bound;
  }
}

/** Holds one input, and changes it. */
export class Mutator {
  readonly dice: Dice;
  readonly #buffer: Uint8Array;
  readonly #dictionary: readonly Uint8Array[];
  #length = 0;

  constructor(seed: number, maxBytes: number, dictionary: readonly Uint8Array[]) {
    this.dice = new Dice(seed);
    this.#buffer = new Uint8Array(maxBytes);
    this.#dictionary = dictionary;
  }

  /** A view of the present input, valid until the next change. */
  get input(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Makes the next input of `parent`, and perhaps a part of `other`. */
  mutate(parent: Uint8Array, other: Uint8Array): void {
    this.#buffer.set(parent);
    this.#length = parent.length;
    for (let left = 1 << this.dice.below(STACK_POWER_MAX + 1); left > 0; left--) this.#change(other);
  }

  #change(other: Uint8Array): void {
    const { dice } = this;
    const buffer = this.#buffer;
    const length = this.#length;
    if (length === 0) {
      this.#insert(other, 0, Math.min(other.length, 1 + dice.below(16)));
      if (this.#length === 0) this.#insertByte(dice.next());
      return;
    }
    const at = dice.below(length);
    switch (dice.below(12)) {
      case 0:
      case 1:
        buffer[at]! ^= 1 << dice.below(8);
        return;
      case 2:
        buffer[at] = dice.next();
        return;
      case 3:
        buffer[at] = INTERESTING[dice.below(INTERESTING.length)]!;
        return;
      case 4:
        buffer[at]! += dice.below(33) - 16;
        return;
      case 5:
        this.#insertByte(dice.below(4) === 0 ? buffer[at]! : dice.next());
        return;
      case 6:
        this.#remove(at, 1 + dice.below(dice.below(4) === 0 ? length - at : 8));
        return;
      case 7: {
        // A piece of this input again, elsewhere.
        const count = Math.min(length - at, 1 + dice.below(32));
        buffer.copyWithin(dice.below(length), at, at + count);
        return;
      }
      case 8:
        if (this.#dictionary.length > 0) {
          const word = this.#dictionary[dice.below(this.#dictionary.length)]!;
          if (dice.below(2) === 0) this.#insert(word, 0, word.length);
          else buffer.set(word.subarray(0, length - at), at);
          return;
        }
        buffer[at] = dice.next();
        return;
      case 9:
        if (other.length > 0) {
          const from = dice.below(other.length);
          this.#insert(other, from, Math.min(other.length - from, 1 + dice.below(64)));
        }
        return;
      case 10:
        // The one's beginning, the other's end.
        this.#length = at;
        if (other.length > 0) {
          const from = dice.below(other.length);
          this.#append(other.subarray(from));
        }
        return;
      default: {
        // A run of one value.
        const count = Math.min(length - at, 1 + dice.below(8));
        buffer.fill(INTERESTING[dice.below(INTERESTING.length)]!, at, at + count);
      }
    }
  }

  #insertByte(value: number): void {
    if (this.#length === this.#buffer.length) return;
    const at = this.dice.below(this.#length + 1);
    this.#buffer.copyWithin(at + 1, at, this.#length);
    this.#buffer[at] = value;
    this.#length++;
  }

  #insert(source: Uint8Array, from: number, wanted: number): void {
    const count = Math.min(wanted, this.#buffer.length - this.#length);
    const at = this.dice.below(this.#length + 1);
    this.#buffer.copyWithin(at + count, at, this.#length);
    this.#buffer.set(source.subarray(from, from + count), at);
    this.#length += count;
  }

  #append(source: Uint8Array): void {
    const count = Math.min(source.length, this.#buffer.length - this.#length);
    this.#buffer.set(source.subarray(0, count), this.#length);
    this.#length += count;
  }

  #remove(at: number, wanted: number): void {
    const count = Math.min(wanted, this.#length - at);
    this.#buffer.copyWithin(at, at + count, this.#length);
    this.#length -= count;
  }
}
