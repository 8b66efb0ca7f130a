// What is found by numbers that mostly come in ascending order and go in nearly the same: calls by their ids, packets by
// theirs. Also by ranges of numbers: a CANCEL may name ranges of any width, as often as whoever sends it likes.
//
// A Map is no good for that. V8 gives one that is added to and deleted from a new table again and again, and every table
// keeps a reference to the one that has followed it. So when one of them has become old, all that was ever in those after
// it survives until the next full collection, long deleted: with 128 calls at once, that took a quarter of all time.

/** So many neighbouring numbers stand in one block. */
const BLOCK_IDS = 32;

interface Block<T> {
  number: number;
  readonly values: (T | undefined)[];
  count: number;
}

/**
 * Values by integers from 0 to 2^53 - 1. To look one up takes as many steps as the number of blocks has binary digits; a
 * range costs no more than the values in it and a block at each end.
 */
export class IdTable<T extends object> {
  /** Ascending; none is empty. */
  readonly #blocks: Block<T>[] = [];
  /** The one that was emptied last, for the next that is needed. */
  #spare: Block<T> | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The lowest number that has a value. */
  get lowest(): number | undefined {
    const first = this.#blocks[0];
    if (first === undefined) return undefined;
    let at = 0;
    while (first.values[at] === undefined) at++;
    return first.number * BLOCK_IDS + at;
  }

  has(id: number): boolean {
    return this.get(id) !== undefined;
  }

  get(id: number): T | undefined {
    const number = blockOf(id);
    const block = this.#blocks[this.#indexOf(number)];
    return block?.number === number ? block.values[id - number * BLOCK_IDS] : undefined;
  }

  set(id: number, value: T): void {
    const number = blockOf(id);
    const index = this.#indexOf(number);
    let block = this.#blocks[index];
    if (block?.number !== number) {
      block = this.#spare ?? { number, values: new Array(BLOCK_IDS).fill(undefined), count: 0 };
      block.number = number;
      this.#spare = undefined;
      if (index === this.#blocks.length) this.#blocks.push(block);
      else this.#blocks.splice(index, 0, block);
    }
    const at = id - number * BLOCK_IDS;
    if (block.values[at] === undefined) {
      block.count++;
      this.#size++;
    }
    block.values[at] = value;
  }

  /** False when there is none. */
  delete(id: number): boolean {
    const number = blockOf(id);
    const index = this.#indexOf(number);
    const block = this.#blocks[index];
    const at = id - number * BLOCK_IDS;
    if (block?.number !== number || block.values[at] === undefined) return false;
    block.values[at] = undefined;
    this.#size--;
    block.count--;
    if (block.count > 0) return true;
    this.#spare = block;
    if (index === 0) this.#blocks.shift();
    else this.#blocks.splice(index, 1);
    return true;
  }

  clear(): void {
    this.#blocks.length = 0;
    this.#size = 0;
  }

  /** The values of numbers from `first` to `last`, both included, ascending; a copy. */
  between(first: number, last: number): T[] {
    const found: T[] = [];
    for (let index = this.#indexOf(blockOf(first)); index < this.#blocks.length; index++) {
      const { number, values } = this.#blocks[index]!;
      const from = number * BLOCK_IDS;
      if (from > last) break;
      const end = Math.min(BLOCK_IDS, last - from + 1);
      for (let at = Math.max(0, first - from); at < end; at++) {
        const value = values[at];
        if (value !== undefined) found.push(value);
      }
    }
    return found;
  }

  /** All of them, ascending; a copy. */
  all(): T[] {
    return this.between(0, Number.MAX_SAFE_INTEGER);
  }

  /** Ascending, without a copy: the table must not change meanwhile. */
  *values(): IterableIterator<T> {
    for (const { values } of this.#blocks) {
      for (const value of values) if (value !== undefined) yield value;
    }
  }

  /** Where the first block that is not below `number` stands. */
  #indexOf(number: number): number {
    let low = 0;
    let high = this.#blocks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#blocks[middle]!.number < number) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function blockOf(id: number): number {
  return Math.floor(id / BLOCK_IDS);
}
