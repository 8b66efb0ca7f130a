// Which branches of the code under test an input has taken: counters that the instrumented modules raise
// (instrument-hooks.ts), and what has ever been seen of them.

/** The name under which instrumented modules find the counters. */
export const EDGES_GLOBAL = 'nevermindFuzzEdges';

/** Room for the counters of all modules of one target. */
const EDGES_MAX = 1 << 16;

interface Module {
  readonly path: string;
  readonly first: number;
  readonly count: number;
}

/** The counters of this thread. Must be there before the first instrumented module is loaded. */
export class EdgeCounters {
  readonly #counts = new Uint8Array(EDGES_MAX);
  readonly #words = new Uint32Array(this.#counts.buffer);
  /** By counter, the classes of counts seen: 1, 2, 3, 4 to 7, 8 to 15, 16 to 31, 32 to 127, more. */
  readonly #seen = new Uint8Array(EDGES_MAX);
  readonly #modules: Module[] = [];
  #used = 0;
  /** Those that count at the moment. */
  #focus: readonly Module[] = [];

  static install(): EdgeCounters {
    const counters = new EdgeCounters();
    Object.assign(globalThis, {
      [EDGES_GLOBAL]: (path: string, count: number) => counters.#add(path, count),
    });
    return counters;
  }

  /** The counters of one module: called by the module itself. */
  #add(path: string, count: number): Uint8Array {
    if (this.#used + count > EDGES_MAX) throw new Error(`more than ${EDGES_MAX} counters`);
    const first = this.#used;
    this.#modules.push({ path, first, count });
    // A module's counters begin at a word of their own.
    this.#used += (count + 3) & ~3;
    return this.#counts.subarray(first, first + count);
  }

  /** Forgets what was seen; from now on only these files count (as `covers` of a target). */
  focus(covers: readonly string[]): void {
    this.#focus = this.#modules.filter(({ path }) =>
      covers.some((name) => (name.endsWith('/') ? path.startsWith(name) : path === name)),
    );
    this.#counts.fill(0);
    this.#seen.fill(0);
  }

  /** Sets the counters to 0, and tells whether one of them had a count of a class that it never had. */
  take(): boolean {
    let isNew = false;
    for (const { first, count } of this.#focus) {
      for (let word = first >>> 2, end = (first + count + 3) >>> 2; word < end; word++) {
        if (this.#words[word] !== 0 && this.#takeWord(word)) isNew = true;
      }
    }
    return isNew;
  }

  #takeWord(word: number): boolean {
    let isNew = false;
    for (let edge = word << 2, last = edge + 4; edge < last; edge++) {
      const bit = CLASS_OF[this.#counts[edge]!]!;
      if ((this.#seen[edge]! & bit) === bit) continue;
      this.#seen[edge]! |= bit;
      isNew = true;
    }
    this.#words[word] = 0;
    return isNew;
  }

  /** Counters ever raised, of how many. */
  get coverage(): { readonly hit: number; readonly total: number } {
    let hit = 0;
    let total = 0;
    for (const { first, count } of this.#focus) {
      total += count;
      for (let edge = first; edge < first + count; edge++) if (this.#seen[edge] !== 0) hit++;
    }
    return { hit, total };
  }
}

/** By count, one bit for its class. */
const CLASS_OF = Uint8Array.from({ length: 256 }, (_, count) => {
  if (count <= 3) return [0, 1, 2, 4][count]!;
  return count < 8 ? 8 : count < 16 ? 16 : count < 32 ? 32 : count < 128 ? 64 : 128;
});
