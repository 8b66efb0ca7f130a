// What readers have learnt of each server: how quickly it sends blocks, and whether it was late or failed lately.
// A server that was is avoided for a while, then tried beside the others, never instead of them.

import type { Clock } from '../base/clock.ts';
import type { StorageServer } from '../storage/storage-server.ts';

/**
 * - `good`: nothing is known against it;
 * - `probation`: it was late or failed, some time ago: worth an attempt that nobody waits for;
 * - `demoted`: it was late or failed just now: only if there is nobody else.
 */
export type Standing = 'good' | 'probation' | 'demoted';

/** The records of many servers. May be shared by downloads that follow each other or run side by side. */
export class ServerRecords {
  readonly #clock: Clock;
  readonly #records = new Map<StorageServer, ServerRecord>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  of(server: StorageServer): ServerRecord {
    let record = this.#records.get(server);
    if (record === undefined) {
      record = new ServerRecord(this.#clock);
      this.#records.set(server, record);
    }
    return record;
  }

  /** Smoothed milliseconds for a block from a server that sent none yet: what the middle one of all takes. */
  get typicalBlockMs(): number {
    const known = [...this.#records.values()].flatMap(({ blockMs }) =>
      blockMs === undefined ? [] : [blockMs],
    );
    return known.sort((a, b) => a - b)[Math.floor(known.length / 2)] ?? 0;
  }
}

/** One server's record. */
export class ServerRecord {
  readonly #clock: Clock;
  #blockMs: number | undefined;
  #penaltyMs = PENALTY_MIN_MS;
  #demotedUntilMs: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Smoothed milliseconds for a block; undefined before the first one. */
  get blockMs(): number | undefined {
    return this.#blockMs;
  }

  get standing(): Standing {
    if (this.#demotedUntilMs === undefined) return 'good';
    return this.#clock.now() < this.#demotedUntilMs ? 'demoted' : 'probation';
  }

  /** A block came. In time: whatever was held against the server is forgotten. */
  sentBlock(durationMs: number, wasInTime: boolean): void {
    this.#blockMs =
      this.#blockMs === undefined ? durationMs : this.#blockMs + SMOOTHING * (durationMs - this.#blockMs);
    if (!wasInTime) return;
    this.#demotedUntilMs = undefined;
    this.#penaltyMs = PENALTY_MIN_MS;
  }

  /** It is late, or it failed: avoided for a while, twice as long each time. */
  demote(): void {
    if (this.standing === 'demoted') return;
    this.#demotedUntilMs = this.#clock.now() + this.#penaltyMs;
    this.#penaltyMs = Math.min(PENALTY_MAX_MS, 2 * this.#penaltyMs);
  }

  /** Takes the one attempt that a server on probation gets until its next chance. */
  takeProbe(): boolean {
    if (this.standing !== 'probation') return false;
    this.demote();
    return true;
  }
}

/** As in RFC 9002 for round-trip times: an eighth of what is new. */
const SMOOTHING = 1 / 8;
const PENALTY_MIN_MS = 1000;
const PENALTY_MAX_MS = 30_000;
