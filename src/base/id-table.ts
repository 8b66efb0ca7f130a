// What is found by numbers that mostly come in ascending order and go in nearly the same: calls by their ids, packets by
// theirs. Also by ranges of numbers: a CANCEL may name ranges of any width, as often as whoever sends it likes.
//
// A Map is no good for that. V8 gives one that is added to and deleted from a new table again and again, and every table
// keeps a reference to the one that has followed it. So when one of them has become old, all that was ever in those after
// it survives until the next full collection, long deleted: with 128 calls at once, that took a quarter of all time.

/** So many neighbouring numbers stand in one block. */
const BLOCK_IDS = 32;

/**
 * So many blocks, at most, stand in one page: who chooses numbers far apart, and has them come or go out of order, moves
 * no more than these. All in one array, 131 072 of them took half a minute to go.
 */
const PAGE_BLOCKS = 256;

interface Block<T> {
  number: number;
  readonly values: (T | undefined)[];
  count: number;
}

/** Ascending. */
type Page<T> = Block<T>[];

/**
 * Values by integers from 0 to 2^53 - 1. To look one up takes as many steps as the number of blocks has binary digits; a
 * range costs no more than the values in it and a block at each end.
 */
export class IdTable<T extends object> {
  /** Ascending; no page is empty but the only one, and no block. */
  readonly #pages: Page<T>[] = [[]];
  /** The block that was emptied last, for the next that is needed. */
  #spare: Block<T> | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The lowest number that has a value. */
  get lowest(): number | undefined {
    const first = this.#pages[0]![0];
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
    const page = this.#pages[this.#pageOf(number)]!;
    const block = page[indexIn(page, number)];
    return block?.number === number ? block.values[id - number * BLOCK_IDS] : undefined;
  }

  set(id: number, value: T): void {
    const number = blockOf(id);
    const pageIndex = this.#pageOf(number);
    const page = this.#pages[pageIndex]!;
    const index = indexIn(page, number);
    let block = page[index];
    if (block?.number !== number) {
      block = this.#spare ?? { number, values: new Array(BLOCK_IDS).fill(undefined), count: 0 };
      block.number = number;
      this.#spare = undefined;
      this.#insert(block, pageIndex, index);
    }
    const at = id - number * BLOCK_IDS;
    if (block.values[at] === undefined) {
      block.count++;
      this.#size++;
    }
    block.values[at] = value;
  }

  #insert(block: Block<T>, pageIndex: number, index: number): void {
    const pages = this.#pages;
    const page = pages[pageIndex]!;
    if (index < page.length) page.splice(index, 0, block);
    // What comes in ascending order leaves full pages behind.
    else if (page.length === PAGE_BLOCKS && pageIndex === pages.length - 1) pages.push([block]);
    else page.push(block);
    if (page.length > PAGE_BLOCKS) pages.splice(pageIndex + 1, 0, page.splice(PAGE_BLOCKS / 2));
  }

  /** False when there is none. */
  delete(id: number): boolean {
    const number = blockOf(id);
    const pageIndex = this.#pageOf(number);
    const page = this.#pages[pageIndex]!;
    const index = indexIn(page, number);
    const block = page[index];
    const at = id - number * BLOCK_IDS;
    if (block?.number !== number || block.values[at] === undefined) return false;
    block.values[at] = undefined;
    this.#size--;
    block.count--;
    if (block.count > 0) return true;
    this.#spare = block;
    if (index === 0) page.shift();
    else page.splice(index, 1);
    if (page.length === 0 && this.#pages.length > 1) this.#pages.splice(pageIndex, 1);
    return true;
  }

  clear(): void {
    this.#pages.length = 1;
    this.#pages[0] = [];
    this.#size = 0;
  }

  /** The values of numbers from `first` to `last`, both included, ascending; a copy. */
  between(first: number, last: number): T[] {
    const found: T[] = [];
    const number = blockOf(first);
    let pageIndex = this.#pageOf(number);
    let index = indexIn(this.#pages[pageIndex]!, number);
    for (; pageIndex < this.#pages.length; pageIndex++, index = 0) {
      for (const page = this.#pages[pageIndex]!; index < page.length; index++) {
        const { number, values } = page[index]!;
        const from = number * BLOCK_IDS;
        if (from > last) return found;
        const end = Math.min(BLOCK_IDS, last - from + 1);
        for (let at = Math.max(0, first - from); at < end; at++) {
          const value = values[at];
          if (value !== undefined) found.push(value);
        }
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
    for (const page of this.#pages) {
      for (const { values } of page) {
        for (const value of values) if (value !== undefined) yield value;
      }
    }
  }

  /** Where the page stands that a block has, or would have, its place in. */
  #pageOf(number: number): number {
    let low = 0;
    let high = this.#pages.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#pages[middle]![0]!.number <= number) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** Where the first block of a page that is not below `number` stands. */
function indexIn(page: Page<object>, number: number): number {
  let low = 0;
  let high = page.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (page[middle]!.number < number) low = middle + 1;
    else high = middle;
  }
  return low;
}

function blockOf(id: number): number {
  return Math.floor(id / BLOCK_IDS);
}
