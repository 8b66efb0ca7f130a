// Makes a file whole again: verifies it, rebuilds the shares that are missing or damaged from those that are intact,
// and places them where there are none. Good shares stay as they are, and no key is needed.

import type { StorageServer } from '../storage/storage-server.ts';
import type { ChkVerifierCapability } from '../tahoe/capability.ts';
import { leaseSecrets } from '../tahoe/lease-secrets.ts';
import { permuteServers } from '../tahoe/permutation.ts';
import type { CheckOptions } from './check.ts';
import { InconsistentFileError } from './decode.ts';
import { DownloadRun } from './download-run.ts';
import { ChkEncoder } from './encode.ts';
import { GridError, type GridErrorCode, type GridStage } from './error.ts';
import {
  type FileHealth,
  healthOf,
  LITERAL_HEALTH,
  parseForChecking,
  type ShareLocation,
} from './file-health.ts';
import { happiness } from './happiness.ts';
import { Shipment, type ShipmentStage } from './shipment.ts';
import { SourceError, type UploadSource } from './source.ts';
import { interruptibleSource } from './source-interrupt.ts';
import { TooFewServersLeft } from './upload-push.ts';
import { type Verification, type VerifiedHealth, verifyFile } from './verify.ts';

/** What a repair did. */
export interface RepairResult {
  readonly before: VerifiedHealth;
  readonly after: FileHealth;
  /** Shares that were rebuilt and written, by number; empty when nothing was to be done or nobody took one. */
  readonly written: readonly ShareLocation[];
}

/**
 * Verifies a file and repairs it: shares that nobody has intact are made again, and shares that stand where they add
 * nothing get a copy on a server that has none.
 * @param capability of any kind for an immutable file.
 * @param servers in any order.
 * @throws GridError BAD_CAPABILITY; NOT_FOUND, NOT_ENOUGH_SHARES, CORRUPT when there is nothing to rebuild it from;
 *   `signal.reason`.
 */
export async function repair(
  capability: string,
  servers: readonly StorageServer[],
  options: CheckOptions,
): Promise<RepairResult> {
  const file = parseForChecking(capability);
  if (file === undefined) {
    return { before: { ...LITERAL_HEALTH, corrupt: [], unread: [] }, after: LITERAL_HEALTH, written: [] };
  }
  const startedAtMs = options.clock.now();
  const verification = await verifyFile(file, servers, options);
  return new Repair(file, servers, options, verification, startedAtMs).run();
}

/** No server has room for any of the shares: there is no use in rebuilding them. */
class NothingTaken extends Error {}

class Repair {
  readonly #file: ChkVerifierCapability;
  readonly #servers: readonly StorageServer[];
  readonly #options: CheckOptions;
  readonly #verification: Verification;
  readonly #startedAtMs: number;
  #stage: GridStage = 'locating';

  constructor(
    file: ChkVerifierCapability,
    servers: readonly StorageServer[],
    options: CheckOptions,
    verification: Verification,
    startedAtMs: number,
  ) {
    this.#file = file;
    this.#servers = permuteServers(file.storageIndex, servers);
    this.#options = options;
    this.#verification = verification;
    this.#startedAtMs = startedAtMs;
  }

  async run(): Promise<RepairResult> {
    const before = this.#verification.health;
    if (!before.recoverable || this.#verification.uriExtension === undefined) throw this.#lost();
    if (!this.#hasWork) return { before, after: before, written: [] };
    try {
      return await this.#ship(this.#verification.uriExtension);
    } catch (error) {
      if (error instanceof NothingTaken) return { before, after: before, written: [] };
      throw this.#explain(error);
    }
  }

  /** A share is missing, or a server that answers could take one off another that has several. */
  get #hasWork(): boolean {
    const { health, doubtful } = this.#verification;
    const reachable = this.#servers.length - doubtful.size;
    return !health.healthy || health.happiness < Math.min(health.total, reachable);
  }

  async #ship(uriExtension: NonNullable<Verification['uriExtension']>): Promise<RepairResult> {
    const { clock, random, retries, signal, leaseSecret, onProgress } = this.#options;
    const { storageIndex, needed, total, sizeBytes } = this.#file;
    const { health: before, intact } = this.#verification;
    const encoder = new ChkEncoder({
      key: undefined,
      sizeBytes,
      needed,
      total,
      segmentSizeBytes: uriExtension.segmentation.segmentSizeBytes,
      expected: uriExtension,
    });
    const report = (stage: ShipmentStage, part: number) =>
      onProgress?.({ stage, done: Math.floor(part * sizeBytes), total: sizeBytes });
    let stage: ShipmentStage = 'placing';
    const shipment = new Shipment({
      source: this.#crypttext(),
      encoder,
      servers: this.#servers,
      storageIndex,
      // Every share that finds a place is a gain; without any, the file is as it was.
      goal: { needed, happy: Math.max(1, happiness(intact)) },
      waitForAll: false,
      lease: leaseSecret && ((nodeId) => leaseSecrets(leaseSecret, storageIndex, nodeId)),
      clock,
      random,
      retries,
      signal,
      prepare: async (placement) => {
        for (const server of this.#servers) placement.learn(server, this.#knownOf(server));
      },
      onSegment: () => {},
      onStage: (reached) => {
        stage = reached;
        this.#stage = reached;
        if (reached === 'pushing' && shipment.placement.grants.size === 0) throw new NothingTaken();
        report(stage, 0);
      },
      onProgress: (part) => report(stage, part),
    });
    const { written, existing } = await shipment.run();
    const { unanswered, servers, leases } = before;
    return {
      before,
      after: healthOf(this.#file, [...existing, ...written], { unanswered, servers, leases }),
      written: written.map(({ shareNumber, server }) => ({ shareNumber, serverName: server.name })),
    };
  }

  #knownOf(server: StorageServer): { has: number[]; spoiled: number[]; isDoubtful: boolean } {
    const { intact, corrupt, doubtful } = this.#verification;
    const at = (holdings: typeof intact) =>
      holdings.filter((holding) => holding.server === server).map(({ shareNumber }) => shareNumber);
    return { has: at(intact), spoiled: at(corrupt), isDoubtful: doubtful.has(server) };
  }

  /** The file's crypttext, proven, read from the shares as often as it is asked for. */
  #crypttext(): UploadSource {
    const { clock, random, retries, signal } = this.#options;
    const file = this.#file;
    const servers = this.#servers;
    const source: UploadSource = {
      sizeBytes: file.sizeBytes,
      async *read(fromByte = 0) {
        const run = new DownloadRun(file, servers, { clock, random, retries }, []);
        const onAbort = () => run.cancel(signal!.reason);
        signal?.addEventListener('abort', onAbort);
        try {
          yield* run.read(fromByte, file.sizeBytes - fromByte);
        } finally {
          signal?.removeEventListener('abort', onAbort);
          run.cancel(new Error('the repair has gone away'));
        }
      },
    };
    return interruptibleSource(source, signal, () => {});
  }

  #explain(error: unknown): unknown {
    const { signal } = this.#options;
    if (signal?.aborted) return signal.reason;
    if (error instanceof InconsistentFileError || error instanceof SourceError) {
      return this.#error('CORRUPT', error.message, 'No repair can help: upload the file again.', error);
    }
    if (error instanceof TooFewServersLeft) {
      return this.#error(
        'TOO_FEW_SERVERS',
        'no server took the shares that were to be rebuilt',
        'Start more storage servers or make room on them, and repair again. What is there was left as it is.',
        error,
      );
    }
    return error;
  }

  /** The error of a file that cannot be rebuilt now. */
  #lost(): GridError {
    const { sharesFound, needed, corrupt, unanswered, unread } = this.#verification.health;
    if (sharesFound + corrupt.length + unread.length === 0 && unanswered.length === 0) {
      return this.#error(
        'NOT_FOUND',
        'no server has a share of this file',
        'Is this the grid that the file was uploaded to? Are all of its servers known here?',
      );
    }
    const damage = corrupt.length === 0 ? '' : `, and ${corrupt.length} more that are corrupt`;
    return this.#error(
      corrupt.length > 0 && unanswered.length === 0 ? 'CORRUPT' : 'NOT_ENOUGH_SHARES',
      `${sharesFound} of the ${needed} different shares needed were found intact${damage}`,
      'Bring back the servers that did not answer and repair again.',
    );
  }

  #error(code: GridErrorCode, problem: string, advice: string, cause?: unknown): GridError {
    return new GridError(code, {
      problem,
      advice,
      stage: this.#stage,
      elapsedMs: this.#options.clock.now() - this.#startedAtMs,
      servers: this.#verification.health.servers,
      cause,
    });
  }
}
