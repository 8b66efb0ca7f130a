// Which server takes which share: asks many servers at once, passes over who is late, spreads shares evenly, and
// finds another server for a share whose server failed. What is written there is upload-push's business.

import type { Clock, Timer } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { RetryBudget } from '../base/retry-budget.ts';
import type { AllocateResult, LeaseSecretsFor, StorageServer, UploadRef } from '../storage/storage-server.ts';
import type { Errands } from './errands.ts';
import { outcomeOf, type ServerOutcome, seconds } from './error.ts';
import { type Holding, maximumMatching, reaches, type UploadGoal } from './happiness.ts';
import { isAtLeast, type Lateness, LateWatch, type Question } from './late-watch.ts';
import { Notice } from './notice.ts';
import {
  BUSY_OUTCOME,
  canTakeMore,
  type Desk,
  deskOutcome,
  isBusy,
  isFree,
  isInTime,
  newDesk,
  pollDelayMs,
  shut,
} from './placement-desk.ts';

/** What a placement is for. */
export interface PlacementOptions {
  /** In the order of the file's permutation. */
  readonly servers: readonly StorageServer[];
  readonly storageIndex: Uint8Array;
  readonly total: number;
  readonly goal: UploadGoal;
  readonly shareSizeBytes: number;
  /** Shares that are given or found get a lease. */
  readonly lease: LeaseSecretsFor | undefined;
  readonly clock: Clock;
  readonly random: Random;
  /** Pays for offering a share to a second server because the first is late. */
  readonly retries: RetryBudget | undefined;
  /** Tells servers of shares that they may hold for us and that nobody will write, and of leases. */
  readonly errands: Errands;
  /** Something has changed: a share was granted, a server refused, `state` may be another one. */
  readonly onChange: () => void;
}

/** What is known of a server before it is asked to take shares. */
export interface KnownServer {
  /** Shares that it has, good ones. */
  readonly has: Iterable<number>;
  /** Shares that it has and that are damaged. */
  readonly spoiled: Iterable<number>;
  /** It was late or failed: it is asked last. */
  readonly isDoubtful: boolean;
}

/** A server has agreed to take a share. */
export interface Grant extends Holding<StorageServer> {
  readonly upload: UploadRef;
}

/**
 * - `working`: there are answers worth waiting for, though perhaps not before the push begins;
 * - `placed`: each share has its place, or happiness is reached and no better place is to be had soon;
 * - `stuck`: happiness is out of reach.
 */
export type PlacementState = 'working' | 'placed' | 'stuck';

/**
 * The placement of one file's shares, from the first question to the end of the upload.
 *
 * A share without a place is offered to the next server of the ring that holds none. When there is no such
 * server, it goes to the one with the fewest shares; but a server that is merely late keeps its share so long as
 * it is not `very late`, for a second share at another server is worth less than a share at a server of its own. It is
 * not waited for alone: meanwhile the others are given theirs.
 */
export class Placement {
  readonly #options: PlacementOptions;
  readonly #desks: readonly Desk[];
  /** Shares that are to be placed, and whether a server may get a second share for this one. */
  readonly #wanted = new Map<number, { readonly doubleUp: boolean }>();
  readonly #grants = new Map<number, Grant>();
  readonly #kept = new Set<number>();
  readonly #allocations: LateWatch<Desk>;
  #pushing = false;
  /** How late a server may be before its share becomes another server's second one. */
  #patience: Lateness = 'very late';
  /** Set while a share waits for a token. */
  #payTimer: Timer | undefined;

  constructor(options: PlacementOptions) {
    this.#options = options;
    this.#desks = options.servers.map((server) => newDesk(server, options.random.bytes(32)));
    for (let share = 0; share < options.total; share++) this.#wanted.set(share, { doubleUp: true });
    this.#allocations = new LateWatch({
      clock: options.clock,
      floorMs: 120,
      unknownMs: 500,
      onLate: () => this.#changed(),
    });
  }

  /**
   * Asks which servers have shares of this file already: worth it when the key is convergent, for then somebody
   * may have uploaded the same file before. Waits for nobody who is late.
   */
  async lookForExisting(signal: AbortSignal | undefined): Promise<void> {
    const { clock, storageIndex, total, lease, errands } = this.#options;
    const changed = new Notice();
    const onAbort = () => changed.give();
    signal?.addEventListener('abort', onAbort);
    const open = new Map<Question<Desk>, AbortController>();
    const watch = new LateWatch<Desk>({
      clock,
      floorMs: 150,
      unknownMs: 1500,
      onLate: (question) => {
        question.subject.doubtful = true;
        changed.give();
      },
    });
    for (const desk of this.#desks.slice(0, LOOKED_AT_PER_SHARE * total)) {
      const question = watch.ask(desk.server, desk);
      const controller = new AbortController();
      open.set(question, controller);
      const { overdue: onOverdue } = question;
      desk.server
        .list(storageIndex, { signal: controller.signal, onOverdue })
        .then(
          (shares) => {
            for (const share of shares) if (share < total) desk.has.add(share);
            if (lease !== undefined && shares.length > 0) errands.lease(desk.server, storageIndex, lease);
            desk.doubtful = false;
            question.answered();
          },
          (error: unknown) => {
            question.dropped();
            if (!controller.signal.aborted) shut(desk, outcomeOf(error));
          },
        )
        .finally(() => {
          open.delete(question);
          changed.give();
        });
    }
    while (!signal?.aborted && [...open.keys()].some(({ lateness }) => !isAtLeast(lateness, 'late'))) {
      await changed.next();
    }
    signal?.removeEventListener('abort', onAbort);
    watch.close();
    for (const controller of open.values()) controller.abort(new Error('enough servers have answered'));
  }

  /** Takes what is known of a server already, instead of {@link lookForExisting}. */
  learn(server: StorageServer, known: KnownServer): void {
    const desk = this.#deskOf(server);
    for (const share of known.has) desk.has.add(share);
    for (const share of known.spoiled) desk.spoiled.add(share);
    desk.doubtful = known.isDoubtful;
  }

  /** Asks for places; what comes of it is told by `onChange`. */
  start(): void {
    this.#assign();
    this.#options.onChange();
  }

  /** The goal is reached, and who has not answered yet is late: time to begin with the others. */
  get canBeginPush(): boolean {
    return reaches(this.#options.goal, this.holdings) && !this.#isWaitedFor('late');
  }

  /** From now on shares are written: a grant is never taken back for a better one. */
  beginPush(): void {
    this.#pushing = true;
    for (const desk of this.#desks) if (desk.busy.timer !== undefined) this.#stopPolling(desk);
    this.#dismiss();
    for (const share of this.#wanted.keys()) {
      if (!this.#isPlaced(share) && !this.#isAskedFor(share)) this.#wanted.delete(share);
    }
  }

  /**
   * The others have done all that they could be asked to do since the last servers were asked to take a share: these
   * are not worth more time.
   */
  hurry(): void {
    if (this.#patience === 'late') return;
    this.#patience = 'late';
    this.#changed();
  }

  /** Shares for which a place may still be found. */
  get sought(): number[] {
    const matched = maximumMatching(this.existing);
    return [...this.#wanted.keys()].filter((share) => !this.#grants.has(share) && !matched.has(share));
  }

  /** The server of this share failed and gets no other one; the share is offered to another server. */
  release(shareNumber: number, outcome: string, options: { readonly doubleUp: boolean }): void {
    const grant = this.#grants.get(shareNumber);
    if (grant === undefined) return;
    const desk = this.#deskOf(grant.server);
    shut(desk, outcome);
    this.#grants.delete(shareNumber);
    desk.granted.delete(shareNumber);
    this.#options.errands.abort(grant.server, grant.upload, true);
    this.#wanted.set(shareNumber, options);
    this.#changed();
  }

  /** The share at this server is finished; whatever happens, it stays. */
  keep(shareNumber: number): void {
    this.#kept.add(shareNumber);
  }

  /** Whether there is a server that would take a share and has none. */
  get hasSpareServer(): boolean {
    return this.#vacantDesks().length > 0;
  }

  get grants(): ReadonlyMap<number, Grant> {
    return this.#grants;
  }

  /**
   * Shares that were there already and need not be written, by server: those of servers that take no new ones first, as
   * servers of happiness wants it, for the others can still make themselves useful.
   */
  get existing(): Holding<StorageServer>[] {
    const takesNone = this.#desks.filter(({ shut }) => shut);
    const others = this.#desks.filter(({ shut }) => !shut);
    return [...takesNone, ...others].flatMap(({ server, has }) =>
      [...has].map((shareNumber) => ({ server, shareNumber })),
    );
  }

  /** Every share that has its place, written or not. */
  get holdings(): Holding<StorageServer>[] {
    return [...this.existing, ...this.#grants.values()];
  }

  get state(): PlacementState {
    if (this.#isWaitedFor(this.#patience)) return 'working';
    if (reaches(this.#options.goal, this.holdings)) return 'placed';
    // A share that waits for its turn to be offered elsewhere may still find a place.
    if (this.#payTimer !== undefined) return 'working';
    // Short of the goal anybody's answer helps, also one for a share that has a place by now.
    const isHopeful = this.#desks.some((desk) => isInTime(desk, 'hopeless'));
    return isHopeful || this.#desks.some(({ busy }) => busy.timer !== undefined) ? 'working' : 'stuck';
  }

  /** What became of each server that was asked. */
  get outcomes(): ServerOutcome[] {
    return this.#desks.flatMap((desk) => {
      const outcome = deskOutcome(desk);
      return outcome === undefined ? [] : [{ name: desk.server.name, outcome }];
    });
  }

  /**
   * Takes back every question, and every grant that was not kept.
   * @param isDone the upload has succeeded: what was not kept belongs to servers that were late.
   */
  close(isDone: boolean): void {
    this.#allocations.close();
    this.#payTimer?.cancel();
    for (const desk of this.#desks) {
      this.#cancel(desk);
      desk.busy.timer?.cancel();
    }
    for (const [share, { server, upload }] of this.#grants) {
      if (!this.#kept.has(share)) this.#options.errands.abort(server, upload, isDone);
    }
  }

  #changed(): void {
    this.#assign();
    if (this.#pushing) this.#dismiss();
    this.#options.onChange();
  }

  /** Whether a server that was asked to take a share which has no place is not as late as that. */
  #isWaitedFor(limit: Lateness): boolean {
    const sought = new Set(this.sought);
    return this.#desks.some(
      (desk) => isInTime(desk, limit) && desk.asking!.shares.some((share) => sought.has(share)),
    );
  }

  /** Lets go of who has not answered and is not needed any more. */
  #dismiss(): void {
    const sought = new Set(this.sought);
    for (const desk of this.#desks) {
      if (desk.asking === undefined || desk.asking.shares.some((share) => sought.has(share))) continue;
      shut(desk, `did not answer within ${seconds(desk.asking.question.ageMs())}`);
      this.#cancel(desk);
    }
  }

  #isPlaced(share: number): boolean {
    return this.#grants.has(share) || this.#desks.some(({ has }) => has.has(share));
  }

  /** Offers every share that needs a place to a server, all servers at once. */
  #assign(): void {
    const offers = new Map<Desk, number[]>();
    const offer = (desk: Desk, share: number) => offers.set(desk, [...(offers.get(desk) ?? []), share]);
    const matched = maximumMatching(this.existing);
    const vacant = new Set<Desk>(this.#vacantDesks());
    const homeless: number[] = [];
    // A share that is there already, but no gain as it stands, may move to a vacant server when all others have one.
    const wanted = [...this.#wanted.keys()];
    const inOrder = [...wanted.filter((s) => !this.#isPlaced(s)), ...wanted.filter((s) => this.#isPlaced(s))];
    for (const share of inOrder) {
      if (this.#grants.has(share) || matched.has(share)) continue;
      if (this.#isAskedFor(share, 'overdue')) continue;
      const [desk] = [...vacant].filter(({ spoiled }) => !spoiled.has(share));
      if (desk !== undefined) {
        if (!this.#pay(share)) continue;
        vacant.delete(desk);
        offer(desk, share);
      } else if (!this.#isPlaced(share) && !this.#isAskedFor(share, this.#patience)) {
        homeless.push(share);
      }
    }
    for (const share of homeless) {
      if (this.#desks.some(({ busy }) => busy.timer !== undefined && busy.shares.includes(share))) continue;
      if (!this.#wanted.get(share)!.doubleUp) continue;
      const load = (desk: Desk) => desk.granted.size + desk.has.size + (offers.get(desk)?.length ?? 0);
      const [desk] = this.#desks
        .filter((desk) => canTakeMore(desk) || offers.has(desk))
        .filter(({ has, spoiled }) => !has.has(share) && !spoiled.has(share))
        .sort((a, b) => load(a) - load(b));
      if (desk !== undefined && this.#pay(share)) offer(desk, share);
    }
    for (const [desk, shares] of offers) this.#ask(desk, shares);
  }

  /** Servers that can be asked and that count for nothing yet, in the order of the ring; the doubtful ones last. */
  #vacantDesks(): Desk[] {
    const useful = new Set(maximumMatching(this.existing).values());
    const vacant = this.#desks.filter(
      (desk) => isFree(desk) && desk.granted.size === 0 && !useful.has(desk.server),
    );
    return [...vacant.filter(({ doubtful }) => !doubtful), ...vacant.filter(({ doubtful }) => doubtful)];
  }

  /** Whether a server was asked to take this share and, with a `limit`, is not that late. */
  #isAskedFor(share: number, limit?: Lateness): boolean {
    return this.#desks.some(
      (desk) => desk.asking?.shares.includes(share) && (limit === undefined || isInTime(desk, limit)),
    );
  }

  /** Whether a share may be offered now: at no charge, unless a server that is late was asked to take it. */
  #pay(share: number): boolean {
    const { clock, retries } = this.#options;
    const nowMs = clock.now();
    if (retries === undefined || !this.#isAskedFor(share)) return true;
    if (this.#payTimer !== undefined) return false;
    if (retries.take(nowMs)) return true;
    this.#payTimer = clock.setTimer(retries.comeBackAtMs(nowMs) - nowMs, () => {
      this.#payTimer = undefined;
      this.#changed();
    });
    return false;
  }

  #ask(desk: Desk, shares: readonly number[]): void {
    const { storageIndex, shareSizeBytes: allocatedSize, lease } = this.#options;
    const question = this.#allocations.ask(desk.server, desk);
    const controller = new AbortController();
    desk.asking = { shares, question, controller };
    const { uploadSecret } = desk;
    const request = { storageIndex, shareNumbers: shares, allocatedSize, uploadSecret, lease };
    const { overdue: onOverdue } = question;
    desk.server.allocate(request, { signal: controller.signal, onOverdue }).then(
      (result) => {
        if (desk.asking?.question !== question) return;
        desk.asking = undefined;
        this.#take(desk, shares, result);
        // This may find others late, and look for places at once: the shares taken have to be known by then.
        question.answered();
        this.#changed();
      },
      (error: unknown) => {
        if (desk.asking?.question !== question) return;
        desk.asking = undefined;
        question.dropped();
        if (isBusy(error)) {
          this.#pollLater(desk, shares);
        } else {
          shut(desk, outcomeOf(error));
          // It may have done what it was asked all the same.
          for (const share of shares) {
            this.#options.errands.abort(desk.server, this.#uploadOf(desk, share), true);
          }
        }
        this.#changed();
      },
    );
  }

  /**
   * Somebody else writes the share there: in the end it is there, for us too, or its writer is found to be gone. Worth
   * waiting for as long as the goal is out of reach without this server.
   */
  #pollLater(desk: Desk, shares: readonly number[]): void {
    const delayMs = this.#pushing ? undefined : pollDelayMs(desk);
    if (delayMs === undefined) {
      shut(desk, BUSY_OUTCOME);
      return;
    }
    desk.busy.shares = shares;
    desk.busy.polls++;
    desk.busy.timer = this.#options.clock.setTimer(delayMs, () => {
      desk.busy.timer = undefined;
      this.#changed();
    });
  }

  #stopPolling(desk: Desk): void {
    desk.busy.timer?.cancel();
    desk.busy.timer = undefined;
    shut(desk, BUSY_OUTCOME);
  }

  #take(desk: Desk, shares: readonly number[], { allocated, alreadyHave }: AllocateResult): void {
    for (const share of alreadyHave) {
      if (shares.includes(share) && !desk.spoiled.has(share)) desk.has.add(share);
    }
    for (const share of shares) {
      if (!allocated.includes(share)) {
        if (!alreadyHave.includes(share)) shut(desk, 'has no space for the share, or is busy with it');
        continue;
      }
      const upload = this.#uploadOf(desk, share);
      const rival = this.#grants.get(share);
      if (rival !== undefined && !this.#isBetterThan(desk, rival)) {
        this.#options.errands.abort(desk.server, upload, false);
        continue;
      }
      if (rival !== undefined) {
        this.#deskOf(rival.server).granted.delete(share);
        this.#options.errands.abort(rival.server, rival.upload, false);
      }
      desk.granted.add(share);
      this.#grants.set(share, { shareNumber: share, server: desk.server, upload });
    }
  }

  /** A late answer, for a share that another server took over as its second one. */
  #isBetterThan(desk: Desk, rival: Grant): boolean {
    return !this.#pushing && desk.granted.size === 0 && this.#deskOf(rival.server).granted.size > 1;
  }

  #cancel(desk: Desk): void {
    const { asking } = desk;
    if (asking === undefined) return;
    const isLate = !isInTime(desk, 'overdue');
    desk.asking = undefined;
    asking.question.dropped();
    asking.controller.abort(new Error('another server took the share'));
    for (const share of asking.shares) {
      if (desk.granted.has(share)) continue;
      this.#options.errands.abort(desk.server, this.#uploadOf(desk, share), isLate);
    }
  }

  #uploadOf({ uploadSecret }: Desk, shareNumber: number): UploadRef {
    return { storageIndex: this.#options.storageIndex, shareNumber, uploadSecret };
  }

  #deskOf(server: StorageServer): Desk {
    return this.#desks.find((desk) => desk.server === server)!;
  }
}

/** As many servers as Tahoe-LAFS looks at: twice the shares. */
const LOOKED_AT_PER_SHARE = 2;
