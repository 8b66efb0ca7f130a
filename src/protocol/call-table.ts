// The calls of one client at its server, found by id and by range of ids: a CANCEL may name ranges of any width, as
// often as whoever sends it likes.

import type { ServerCall } from './server-call.ts';

/** So many neighbouring ids stand in one block. */
const BLOCK_IDS = 64;

/** Calls by id. A range costs no more than the calls in it and a block at each end, however many there are. */
export class CallTable {
  /** By the number of the block; none is empty. */
  readonly #blocks = new Map<number, Map<number, ServerCall>>();
  /** Their numbers, ascending. */
  readonly #order: number[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(callId: number): ServerCall | undefined {
    return this.#blocks.get(blockOf(callId))?.get(callId);
  }

  /** The call's id must be new. */
  add(call: ServerCall): void {
    const number = blockOf(call.callId);
    let block = this.#blocks.get(number);
    if (block === undefined) {
      block = new Map();
      this.#blocks.set(number, block);
      this.#order.splice(this.#indexOf(number), 0, number);
    }
    block.set(call.callId, call);
    this.#size++;
  }

  /** False when there is none. */
  delete(callId: number): boolean {
    const number = blockOf(callId);
    const block = this.#blocks.get(number);
    if (block?.delete(callId) !== true) return false;
    this.#size--;
    if (block.size === 0) {
      this.#blocks.delete(number);
      this.#order.splice(this.#indexOf(number), 1);
    }
    return true;
  }

  /** The calls with ids from `first` to `last`, both included, nearly ascending; a copy. */
  between(first: number, last: number): ServerCall[] {
    const found: ServerCall[] = [];
    for (let index = this.#indexOf(blockOf(first)); index < this.#order.length; index++) {
      const number = this.#order[index]!;
      if (number * BLOCK_IDS > last) break;
      for (const call of this.#blocks.get(number)!.values()) {
        if (call.callId >= first && call.callId <= last) found.push(call);
      }
    }
    return found;
  }

  /** All of them, nearly ascending; a copy. */
  all(): ServerCall[] {
    return this.between(0, Number.MAX_SAFE_INTEGER);
  }

  /** Where the first block that is not below `number` stands. */
  #indexOf(number: number): number {
    let low = 0;
    let high = this.#order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#order[middle]! < number) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function blockOf(callId: number): number {
  return Math.floor(callId / BLOCK_IDS);
}
