// The calls of one client at its server, found by id and by range of ids: a CANCEL may name ranges of any width, as
// often as whoever sends it likes.

import type { ServerCall } from './server-call.ts';

/** Calls by id. Ids come nearly ascending; finding a range of them is O(log n). */
export class CallTable {
  readonly #byId = new Map<number, ServerCall>();
  /** Ascending. */
  readonly #ids: number[] = [];

  get size(): number {
    return this.#byId.size;
  }

  get(callId: number): ServerCall | undefined {
    return this.#byId.get(callId);
  }

  /** The call's id must be new. */
  add(call: ServerCall): void {
    this.#byId.set(call.callId, call);
    const last = this.#ids.at(-1);
    if (last === undefined || call.callId > last) this.#ids.push(call.callId);
    else this.#ids.splice(this.#indexOf(call.callId), 0, call.callId);
  }

  /** False when there is none. */
  delete(callId: number): boolean {
    if (!this.#byId.delete(callId)) return false;
    this.#ids.splice(this.#indexOf(callId), 1);
    return true;
  }

  /** The calls with ids from `first` to `last`, both included, ascending; a copy. */
  between(first: number, last: number): ServerCall[] {
    const found: ServerCall[] = [];
    for (let index = this.#indexOf(first); index < this.#ids.length; index++) {
      const callId = this.#ids[index]!;
      if (callId > last) break;
      found.push(this.#byId.get(callId)!);
    }
    return found;
  }

  /** All of them, ascending; a copy. */
  all(): ServerCall[] {
    return this.between(0, Number.MAX_SAFE_INTEGER);
  }

  /** Where the first id that is not below `callId` stands. */
  #indexOf(callId: number): number {
    let low = 0;
    let high = this.#ids.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ids[middle]! < callId) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
