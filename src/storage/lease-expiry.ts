// Removes shares whose last lease has ended, for owners who want that. Walks through the folder one share at a time and
// rests in between, so that nobody notices. What has a lease that lasts, and what never had one, stays.

import type { Clock, Timer } from '../base/clock.ts';
import { fileErrorCode } from './files.ts';
import { lastExpiration } from './share-file.ts';
import { type ShareFolder, type ShareName, shareNameOf } from './share-folder.ts';

/** What the walk needs. */
export interface LeaseExpiryOptions {
  readonly folder: ShareFolder;
  readonly clock: Clock;
  readonly unixSeconds: () => number;
  /** Called when a walk has ended. */
  readonly onWalked?: ((walk: ExpiryWalk) => void) | undefined;
}

/** What one walk through the folder came to. */
export interface ExpiryWalk {
  readonly sharesSeen: number;
  readonly sharesRemoved: number;
  /** Files that could not be read or removed; they are looked at again the next time. */
  readonly failures: number;
}

/** Walks from `start` to `stop`, the first time after a minute, then twice a day. */
export class LeaseExpiry {
  readonly #options: LeaseExpiryOptions;
  #rest: { readonly timer: Timer; readonly wake: () => void } | undefined;
  #walking: Promise<void> | undefined;
  #stopped = false;

  constructor(options: LeaseExpiryOptions) {
    this.#options = options;
  }

  start(): void {
    this.#walking ??= this.#walkOnAndOn();
  }

  /** Resolves when nothing is read or removed any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#rest?.timer.cancel();
    this.#rest?.wake();
    await this.#walking;
  }

  async #walkOnAndOn(): Promise<void> {
    await this.#pause(FIRST_WALK_MS);
    while (!this.#stopped) {
      const walk = await this.#walk();
      if (!this.#stopped) this.#options.onWalked?.(walk);
      await this.#pause(WALK_PERIOD_MS);
    }
  }

  async #walk(): Promise<ExpiryWalk> {
    const { folder } = this.#options;
    const walk = { sharesSeen: 0, sharesRemoved: 0, failures: 0 };
    const orNothing = async <T>(listing: Promise<readonly T[]>): Promise<readonly T[]> => {
      try {
        return await listing;
      } catch (error) {
        if (fileErrorCode(error) !== 'ENOENT') walk.failures++;
        return [];
      }
    };
    for (const prefix of await orNothing(folder.prefixes())) {
      for (const storageIndexText of await orNothing(folder.storageIndexesOf(prefix))) {
        for (const shareNumber of await orNothing(folder.list(storageIndexText))) {
          if (this.#stopped) return walk;
          walk.sharesSeen++;
          try {
            if (await this.#removeIfExpired(shareNameOf(storageIndexText, shareNumber))) walk.sharesRemoved++;
          } catch (error) {
            if (fileErrorCode(error) !== 'ENOENT') walk.failures++;
          }
        }
      }
      await this.#pause(REST_MS);
    }
    return walk;
  }

  /** Nobody adds a lease between the look and the removal: both stand in the same queue. */
  #removeIfExpired(share: ShareName): Promise<boolean> {
    const { folder, unixSeconds } = this.#options;
    return folder.exclusively(share, async () => {
      const file = await folder.openFinished(share);
      let last: Awaited<ReturnType<typeof lastExpiration>>;
      try {
        last = await lastExpiration(file);
      } finally {
        await file.close().catch(() => {});
      }
      // No immutable share, or nobody ever said how long it shall stay: not ours to judge.
      if (typeof last !== 'number' || last >= unixSeconds()) return false;
      await folder.removeFinished(share);
      return true;
    });
  }

  #pause(delayMs: number): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        this.#rest = undefined;
        resolve();
      };
      this.#rest = { timer: this.#options.clock.setTimer(delayMs, wake), wake };
    });
  }
}

const FIRST_WALK_MS = 60 * 1000;
/** As Tahoe-LAFS: leases count in days. */
const WALK_PERIOD_MS = 12 * 60 * 60 * 1000;
/** Between the folders of two prefixes, of which there are 1024. */
const REST_MS = 100;
