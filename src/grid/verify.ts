// Is every share of a file what it should be? Reads each block of each share at each server and proves it. Damaged
// shares are named, and their servers told. Memory is bounded, and nobody who is late is waited for long.

import type { StorageServer } from '../storage/storage-server.ts';
import type { ChkVerifierCapability } from '../tahoe/capability.ts';
import { permuteServers } from '../tahoe/permutation.ts';
import type { ReadUriExtension } from '../tahoe/uri-extension.ts';
import { type CheckOptions, LeaseRound } from './check.ts';
import { ALTERED_ADVICE, AlteredCapabilityError } from './decode.ts';
import type { Corruption } from './download-options.ts';
import { Errands } from './errands.ts';
import { describeShares, GridError, outcomeOf, type ServerOutcome } from './error.ts';
import { Examination, type ExaminationHost } from './examination.ts';
import { type FileHealth, healthOf, LITERAL_HEALTH, parseForChecking } from './file-health.ts';
import type { Holding } from './happiness.ts';
import { BLOCKS_TOLERATED, type Lateness, LateWatch } from './late-watch.ts';
import { Notice } from './notice.ts';
import { ReadBudget } from './read-budget.ts';
import { ServerRecord } from './server-record.ts';
import { type SharedFile, ShareReader } from './share-reader.ts';
import { LATE_FLOOR_MS, Survey, UNKNOWN_MS } from './survey.ts';

/** What every block of every share says. `shares` and what follows from them are the intact ones. */
export interface VerifiedHealth extends FileHealth {
  readonly corrupt: readonly Corruption[];
  /** Shares that a server has and that could not be read to their end. */
  readonly unread: readonly {
    readonly shareNumber: number;
    readonly serverName: string;
    readonly reason: string;
  }[];
}

/** What repair needs to know besides. */
export interface Verification {
  readonly health: VerifiedHealth;
  readonly intact: readonly Holding<StorageServer>[];
  readonly corrupt: readonly Holding<StorageServer>[];
  /** Servers that did not answer, or not to the end. */
  readonly doubtful: ReadonlySet<StorageServer>;
  /** Undefined when no share could be opened. */
  readonly uriExtension: ReadUriExtension | undefined;
}

/**
 * Reads and proves all shares of a file.
 * @param capability of any kind for an immutable file; no key is needed.
 * @param servers in any order.
 * @throws GridError BAD_CAPABILITY, also when it contradicts the file; `signal.reason`.
 */
export async function verify(
  capability: string,
  servers: readonly StorageServer[],
  options: CheckOptions,
): Promise<VerifiedHealth> {
  const file = parseForChecking(capability);
  if (file === undefined) return { ...LITERAL_HEALTH, corrupt: [], unread: [] };
  return (await verifyFile(file, servers, options)).health;
}

/** {@link verify} for who goes on from there. */
export async function verifyFile(
  file: ChkVerifierCapability,
  servers: readonly StorageServer[],
  options: CheckOptions,
): Promise<Verification> {
  options.signal?.throwIfAborted();
  const run = new VerifyRun(file, servers, options);
  return run.run();
}

class VerifyRun {
  readonly #file: ChkVerifierCapability;
  readonly #options: CheckOptions;
  readonly #changed = new Notice();
  readonly #errands: Errands;
  readonly #leases: LeaseRound;
  readonly #survey: Survey;
  readonly #shared: SharedFile;
  readonly #host: ExaminationHost;
  readonly #examinations: Examination[] = [];
  readonly #serverCount: number;
  readonly #startedAtMs: number;

  constructor(file: ChkVerifierCapability, servers: readonly StorageServer[], options: CheckOptions) {
    this.#file = file;
    this.#options = options;
    this.#serverCount = servers.length;
    this.#startedAtMs = options.clock.now();
    const { storageIndex, total } = file;
    const { clock, random } = options;
    this.#errands = new Errands(clock);
    this.#leases = new LeaseRound(storageIndex, options.leaseSecret, () => this.#changed.give());
    const watch = () =>
      new LateWatch<(lateness: Lateness) => void>({
        clock,
        floorMs: LATE_FLOOR_MS,
        unknownMs: UNKNOWN_MS,
        toleratedFactor: BLOCKS_TOLERATED,
        onLate: ({ subject, lateness }) => subject(lateness),
      });
    this.#shared = {
      capability: file,
      storageIndex,
      isThorough: true,
      decoder: undefined,
      treeReads: watch(),
      blockReads: watch(),
      onDecoder: () => {},
    };
    this.#host = {
      budget: new ReadBudget(READS_IN_FLIGHT_MAX, BYTES_IN_FLIGHT_MAX),
      clock,
      random,
      file: this.#shared,
      onChange: () => {
        this.#report();
        this.#changed.give();
      },
      onCorrupt: ({ server, shareNumber }, what) =>
        this.#errands.adviseCorrupt(server, storageIndex, shareNumber, what),
    };
    this.#survey = new Survey({
      servers: permuteServers(storageIndex, servers),
      storageIndex,
      total,
      clock,
      random,
      onAnswer: (server, shares) => this.#examine(server, shares),
      onChange: () => {
        this.#report();
        this.#changed.give();
      },
    });
  }

  async run(): Promise<Verification> {
    const { signal } = this.#options;
    const onAbort = () => this.#changed.give();
    signal?.addEventListener('abort', onAbort);
    try {
      this.#report();
      this.#survey.start();
      while (!this.#isSettled) {
        await this.#changed.next();
        signal?.throwIfAborted();
      }
      return this.#result();
    } finally {
      signal?.removeEventListener('abort', onAbort);
      this.#survey.close();
      this.#leases.close();
      for (const examination of this.#examinations) examination.cancel();
      this.#shared.treeReads.close();
      this.#shared.blockReads.close();
      await this.#errands.settle({ suspectsMs: 0, othersMs: signal?.aborted ? 0 : 500 });
    }
  }

  get #isSettled(): boolean {
    return (
      this.#survey.isSettled &&
      !this.#leases.isUnderWay &&
      this.#examinations.every(({ isOver, isHeldUp }) => isOver || isHeldUp)
    );
  }

  #examine(server: StorageServer, shares: readonly number[]): void {
    if (shares.length > 0) this.#leases.begin(server);
    const record = new ServerRecord(this.#options.clock);
    for (const share of shares) {
      const reader = new ShareReader(server, share, record, this.#shared);
      this.#examinations.push(new Examination(reader, this.#host));
    }
  }

  #report(): void {
    const { onProgress } = this.#options;
    if (onProgress === undefined) return;
    if (!this.#survey.isSettled) {
      onProgress({ stage: 'locating', done: this.#survey.answeredCount, total: this.#serverCount });
      return;
    }
    const dataBytes = Math.ceil(this.#file.sizeBytes / this.#file.needed);
    const total = dataBytes * this.#examinations.length;
    const done = this.#examinations.reduce((sum, { doneBytes }) => sum + doneBytes, 0);
    onProgress({ stage: 'verifying', done: Math.min(done, total), total });
  }

  #result(): Verification {
    for (const { verdict } of this.#examinations) {
      if (verdict?.kind === 'unread' && verdict.error instanceof AlteredCapabilityError) {
        throw new GridError('BAD_CAPABILITY', {
          problem: verdict.error.message,
          advice: ALTERED_ADVICE,
          stage: 'locating',
          elapsedMs: this.#options.clock.now() - this.#startedAtMs,
          cause: verdict.error,
        });
      }
    }
    const intact: Holding<StorageServer>[] = [];
    const corrupt: Holding<StorageServer>[] = [];
    const corruptions: Corruption[] = [];
    const unread: VerifiedHealth['unread'][number][] = [];
    const doubtful = new Set(this.#survey.unanswered);
    for (const { reader, verdict, waitedFor } of this.#examinations) {
      const { server, shareNumber } = reader;
      const place = { shareNumber, serverName: server.name };
      switch (verdict?.kind) {
        case 'intact':
          intact.push({ shareNumber, server });
          break;
        case 'corrupt':
          corrupt.push({ shareNumber, server });
          corruptions.push({ ...place, what: verdict.what });
          break;
        case 'unread':
          doubtful.add(server);
          unread.push({ ...place, reason: outcomeOf(verdict.error) });
          break;
        case undefined:
          doubtful.add(server);
          unread.push({ ...place, reason: waitedFor });
          break;
        default:
          verdict satisfies never;
      }
    }
    const health = healthOf(this.#file, intact, {
      unanswered: this.#survey.unanswered.map(({ name }) => name),
      servers: this.#survey.outcomes.map((outcome) => withDamage(outcome, corruptions, unread)),
      leases: this.#leases.outcomes,
    });
    const uriExtension = this.#shared.decoder?.uriExtension;
    return { health: { ...health, corrupt: corruptions, unread }, intact, corrupt, doubtful, uriExtension };
  }
}

function withDamage(
  { name, outcome }: ServerOutcome,
  corrupt: readonly Corruption[],
  unread: VerifiedHealth['unread'],
): ServerOutcome {
  const damaged = corrupt.filter(({ serverName }) => serverName === name).map((share) => share.shareNumber);
  const [missing] = unread.filter(({ serverName }) => serverName === name);
  const verb = damaged.length === 1 ? 'is' : 'are';
  const damage = damaged.length === 0 ? '' : `, ${describeShares(damaged)} ${verb} corrupt`;
  return { name, outcome: `${outcome}${damage}${missing === undefined ? '' : `, then ${missing.reason}`}` };
}

/** Reads of all shares together that are on their way and not late. */
const READS_IN_FLIGHT_MAX = 64;
const BYTES_IN_FLIGHT_MAX = 32 * 1024 * 1024;
