// A binary heap whose entries can be taken out or moved by their handle, for timers and schedules.
// It knows nothing of time: who calls it decides what the key means.

/** A value in a {@link Heap}; its own handle for {@link Heap.remove} and {@link Heap.move}. */
export interface HeapEntry<T> {
  readonly key: number;
  readonly value: T;
}

/**
 * Smallest key first; entries of equal key leave in the order in which they got that key, so that whoever
 * replays the same calls sees the same order. `push`, `pop`, `remove` and `move` are O(log n).
 */
export class Heap<T> {
  readonly #slots: Slot<T>[] = [];
  #sequence = 0;

  get size(): number {
    return this.#slots.length;
  }

  /** Adds a value. @throws RangeError when `key` is not a number that can be ordered. */
  push(key: number, value: T): HeapEntry<T> {
    checkKey(key);
    const slot: Slot<T> = { key, value, sequence: this.#sequence++, index: this.#slots.length, owner: this };
    this.#slots.push(slot);
    this.#siftUp(slot);
    return slot;
  }

  /** The entry with the smallest key, left where it is. */
  peek(): HeapEntry<T> | undefined {
    return this.#slots[0];
  }

  /** Takes the entry with the smallest key out. */
  pop(): HeapEntry<T> | undefined {
    const first = this.#slots[0];
    if (first !== undefined) this.#take(first);
    return first;
  }

  /** Takes an entry out; false when it was out already. */
  remove(entry: HeapEntry<T>): boolean {
    const slot = entry as Slot<T>;
    if (slot.owner !== this) return false;
    this.#take(slot);
    return true;
  }

  /** Gives an entry another key; false when it was out already. It goes behind those that have that key. */
  move(entry: HeapEntry<T>, key: number): boolean {
    checkKey(key);
    const slot = entry as Slot<T>;
    if (slot.owner !== this) return false;
    slot.key = key;
    slot.sequence = this.#sequence++;
    this.#siftUp(slot);
    this.#siftDown(slot);
    return true;
  }

  /** Takes everything out. */
  clear(): void {
    for (const slot of this.#slots) slot.owner = undefined;
    this.#slots.length = 0;
  }

  #take(slot: Slot<T>): void {
    const last = this.#slots.pop()!;
    slot.owner = undefined;
    if (last === slot) return;
    this.#place(last, slot.index);
    this.#siftUp(last);
    this.#siftDown(last);
  }

  // Both move the others out of the way first, and place the one at the end.

  #siftUp(slot: Slot<T>): void {
    const slots = this.#slots;
    let index = slot.index;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = slots[above]!;
      if (!isBefore(slot, parent)) break;
      this.#place(parent, index);
      index = above;
    }
    this.#place(slot, index);
  }

  #siftDown(slot: Slot<T>): void {
    const slots = this.#slots;
    let index = slot.index;
    for (;;) {
      let below = 2 * index + 1;
      if (below >= slots.length) break;
      if (below + 1 < slots.length && isBefore(slots[below + 1]!, slots[below]!)) below++;
      const child = slots[below]!;
      if (!isBefore(child, slot)) break;
      this.#place(child, index);
      index = below;
    }
    this.#place(slot, index);
  }

  #place(slot: Slot<T>, index: number): void {
    slot.index = index;
    this.#slots[index] = slot;
  }
}

interface Slot<T> extends HeapEntry<T> {
  key: number;
  sequence: number;
  index: number;
  /** The heap that it is in; undefined once it is out. */
  owner: Heap<T> | undefined;
}

function isBefore(a: Slot<unknown>, b: Slot<unknown>): boolean {
  return a.key < b.key || (a.key === b.key && a.sequence < b.sequence);
}

/** @throws RangeError when `key` is not a number that can be ordered. */
export function checkKey(key: number): void {
  if (Number.isNaN(key)) throw new RangeError('a heap key must be a number that can be ordered');
}
