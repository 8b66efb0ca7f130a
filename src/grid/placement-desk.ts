// What a placement knows of one server, and what follows from it for that server alone. Which share goes where is
// placement.ts's business.

import type { Timer } from '../base/clock.ts';
import { StorageError, type StorageServer } from '../storage/storage-server.ts';
import { outcomeOf, seconds } from './error.ts';
import { isAtLeast, type Lateness, type Question } from './late-watch.ts';

/** What is known of one server in one placement. */
export interface Desk {
  readonly server: StorageServer;
  readonly uploadSecret: Uint8Array;
  /** It failed or refused: it is not asked again. */
  shut: boolean;
  /** It was late when it was asked what it has: it is asked last, and late from the beginning. */
  doubtful: boolean;
  readonly granted: Set<number>;
  /** Shares that were there before. */
  readonly has: Set<number>;
  /** Shares that it has, but damaged: it takes no other ones in their place, and they count for nothing. */
  readonly spoiled: Set<number>;
  /** The question that it has not answered; one at a time. */
  asking:
    | {
        readonly shares: readonly number[];
        readonly question: Question<Desk>;
        readonly controller: AbortController;
      }
    | undefined;
  /** Another upload is writing these shares there: how often it was asked again, and when it is next. */
  readonly busy: { shares: readonly number[]; polls: number; timer: Timer | undefined };
  /** Why it is shut. */
  outcome: string | undefined;
}

export function newDesk(server: StorageServer, uploadSecret: Uint8Array): Desk {
  return {
    server,
    uploadSecret,
    shut: false,
    doubtful: false,
    granted: new Set(),
    has: new Set(),
    spoiled: new Set(),
    asking: undefined,
    busy: { shares: [], polls: 0, timer: undefined },
    outcome: undefined,
  };
}

/** It is not asked again; the first reason is kept. */
export function shut(desk: Desk, outcome: string): void {
  desk.shut = true;
  desk.outcome ??= outcome;
}

/** Whether it can be asked something now. */
export function isFree({ shut, asking, busy }: Desk): boolean {
  return !shut && asking === undefined && busy.timer === undefined;
}

/** Whether it was asked something and is not that late with it. */
export function isInTime({ asking, doubtful }: Desk, limit: Lateness): boolean {
  if (asking === undefined || isAtLeast(asking.question.lateness, limit)) return false;
  return !(doubtful && isAtLeast('late', limit));
}

/** Whether it has taken or holds a share, so that there is reason to hope it takes another. */
export function canTakeMore(desk: Desk): boolean {
  return isFree(desk) && desk.granted.size + desk.has.size > 0;
}

/** Whether another upload was in the way, which will be over in the end. */
export function isBusy(error: unknown): boolean {
  return error instanceof StorageError && error.code === 'SHARE_BUSY';
}

/** Milliseconds until a busy server is asked again; undefined when it was asked often enough. */
export function pollDelayMs({ busy: { polls } }: Desk): number | undefined {
  return polls < POLLS_MAX ? Math.min(POLL_MAX_MS, POLL_MIN_MS * 1.5 ** polls) : undefined;
}

/** In all 80 s: a server takes an upload for deserted after 60. */
const POLL_MIN_MS = 500;
const POLL_MAX_MS = 8000;
const POLLS_MAX = 15;

export const BUSY_OUTCOME: string = outcomeOf(new StorageError('SHARE_BUSY', ''));

/** What became of the server, in a few words; undefined when it played no part. */
export function deskOutcome({ outcome, asking, busy, granted, has }: Desk): string | undefined {
  if (outcome !== undefined) return outcome;
  if (asking !== undefined) return `has not answered for ${seconds(asking.question.ageMs())}`;
  if (busy.timer !== undefined) return BUSY_OUTCOME;
  const held = granted.size + has.size;
  return held === 0 ? undefined : `takes ${held} share${held === 1 ? '' : 's'}`;
}
