// A set of non-negative integers kept as sorted, disjoint, half-open ranges: which bytes of a message have
// arrived, which call ids are done. Sizes stay small because neighbours merge.

/** Sorted disjoint ranges [start, end). */
export class Intervals {
  /** start, end, start, end, … ascending; no two ranges touch. */
  #bounds: number[] = NONE;
  #total = 0;

  /** How many integers are in the set. */
  get total(): number {
    return this.#total;
  }

  /** How many separate ranges there are: what bounds the memory used. */
  get rangeCount(): number {
    return this.#bounds.length / 2;
  }

  /** Adds [start, end); returns how many of them are new. */
  add(start: number, end: number): number {
    if (end <= start) return 0;
    const bounds = this.#bounds;
    const last = bounds.length;
    // The common case: it continues, or lies behind, the last range.
    if (last === 0 || start > bounds[last - 1]!) {
      // There is a set for every message, and most have one range: an array that grew would keep room for eight.
      if (last === 0) this.#bounds = [start, end];
      else bounds.push(start, end);
      this.#total += end - start;
      return end - start;
    }
    // First range whose end is not left of `start`, and first range whose start is right of `end`.
    const from = this.#firstEndAtLeast(start);
    let to = from;
    let covered = 0;
    let mergedStart = start;
    let mergedEnd = end;
    while (to < last && bounds[to]! <= end) {
      mergedStart = Math.min(mergedStart, bounds[to]!);
      mergedEnd = Math.max(mergedEnd, bounds[to + 1]!);
      covered += bounds[to + 1]! - bounds[to]!;
      to += 2;
    }
    const added = mergedEnd - mergedStart - covered;
    if (to === from + 2) {
      bounds[from] = mergedStart;
      bounds[from + 1] = mergedEnd;
    } else {
      bounds.splice(from, to - from, mergedStart, mergedEnd);
    }
    this.#total += added;
    return added;
  }

  has(value: number): boolean {
    const index = this.#firstEndAtLeast(value + 1);
    return index < this.#bounds.length && this.#bounds[index]! <= value;
  }

  /** Forgets everything below `value`. */
  removeBelow(value: number): void {
    const bounds = this.#bounds;
    let drop = 0;
    while (drop < bounds.length && bounds[drop + 1]! <= value) {
      this.#total -= bounds[drop + 1]! - bounds[drop]!;
      drop += 2;
    }
    if (drop > 0) bounds.splice(0, drop);
    if (bounds.length > 0 && bounds[0]! < value) {
      this.#total -= value - bounds[0]!;
      bounds[0] = value;
    }
  }

  /** Forgets the lowest range. */
  removeLowestRange(): void {
    if (this.#bounds.length > 0) this.removeBelow(this.#bounds[1]!);
  }

  /** The parts of [start, end) that are not in the set, ascending, as pairs; at most `limit` of them. */
  gaps(start: number, end: number, limit: number = Number.POSITIVE_INFINITY): [start: number, end: number][] {
    const found: [number, number][] = [];
    let at = start;
    for (let i = this.#firstEndAtLeast(start + 1); i < this.#bounds.length && at < end; i += 2) {
      if (found.length === limit) return found;
      const rangeStart = this.#bounds[i]!;
      if (rangeStart >= end) break;
      if (rangeStart > at) found.push([at, rangeStart]);
      at = Math.max(at, this.#bounds[i + 1]!);
    }
    if (at < end && found.length < limit) found.push([at, end]);
    return found;
  }

  /** The ranges, highest first, as pairs; at most `limit` of them. */
  highestRanges(limit: number): [start: number, end: number][] {
    const found: [number, number][] = [];
    for (let i = this.#bounds.length - 2; i >= 0 && found.length < limit; i -= 2) {
      found.push([this.#bounds[i]!, this.#bounds[i + 1]!]);
    }
    return found;
  }

  /** Index in `#bounds` of the first range whose end is ≥ value. */
  #firstEndAtLeast(value: number): number {
    let low = 0;
    let high = this.#bounds.length / 2;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#bounds[middle * 2 + 1]! < value) low = middle + 1;
      else high = middle;
    }
    return low * 2;
  }
}

/** Of all empty sets; nothing is ever put into it. */
const NONE: number[] = [];
