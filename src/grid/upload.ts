// Puts a file on the grid: key, shipment, capability. Placement.ts finds the servers, upload-push.ts writes the shares,
// shipment.ts has the order of these; here is what makes it an upload of a file, and how its failures are told.

import { equalBytes } from '../base/bytes.ts';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { RetryBudget } from '../base/retry-budget.ts';
import type { StorageServer } from '../storage/storage-server.ts';
import { formatCapability, LITERAL_SIZE_BYTES_MAX } from '../tahoe/capability.ts';
import { ConvergentKeyHasher, KEY_BYTES, storageIndexForKey } from '../tahoe/convergence.ts';
import { leaseSecrets } from '../tahoe/lease-secrets.ts';
import { permuteServers } from '../tahoe/permutation.ts';
import { DEFAULT_SEGMENT_SIZE_BYTES, SHARES_MAX } from '../tahoe/segments.ts';
import { convergentKeyOf, readLiteral } from './capability-of.ts';
import { ChkEncoder } from './encode.ts';
import { GridError, type GridErrorCode, type GridStage } from './error.ts';
import { happiness } from './happiness.ts';
import type { Placement } from './placement.ts';
import { Shipment } from './shipment.ts';
import { SourceError, type UploadSource } from './source.ts';
import { interruptibleSource } from './source-interrupt.ts';
import { type Replacement, TooFewServersLeft } from './upload-push.ts';

/** How to upload. */
export interface UploadOptions {
  readonly clock: Clock;
  /** Keys and secrets are drawn from it. */
  readonly random: Random;
  /** Shares that are enough to read the file (k); default 3. */
  readonly needed?: number | undefined;
  /** Happiness below which the upload fails; default 7. */
  readonly happy?: number | undefined;
  /** Shares to make (n), up to 256; default 10. */
  readonly total?: number | undefined;
  /** Largest segment; default 1 MiB. */
  readonly segmentSizeBytes?: number | undefined;
  /**
   * The convergence secret: with it the same file always gets the same capability, and shares that are there
   * already are used. Without it the key is random.
   */
  readonly convergence?: Uint8Array | undefined;
  /**
   * The secret that the client's leases are derived from: with it each share gets a lease, also those that are there
   * already. Without it the shares have none, and go when their server removes what nobody has leased.
   */
  readonly leaseSecret?: Uint8Array | undefined;
  /** Cancels the upload: it rejects with the signal's reason once the servers were told. */
  readonly signal?: AbortSignal | undefined;
  /** Waits for every server that is not lost, also when enough have finished and the others are late. */
  readonly waitForAll?: boolean | undefined;
  /** As in DownloadOptions. */
  readonly retries?: RetryBudget | undefined;
  readonly onProgress?: ((progress: UploadProgress) => void) | undefined;
}

/** How far an upload is. `doneBytes` goes from 0 to `totalBytes` once for hashing, and once for the rest. */
export interface UploadProgress {
  readonly stage: 'hashing' | 'placing' | 'pushing' | 'closing';
  /** Bytes of the file that were hashed, or that servers have acknowledged. */
  readonly doneBytes: number;
  /** The size of the file. */
  readonly totalBytes: number;
}

/** A share and the server that has it. */
export interface SharePlacement {
  readonly shareNumber: number;
  readonly serverName: string;
}

/** A file that is on the grid. */
export interface UploadResult {
  readonly capability: string;
  /** Servers of happiness; 0 for a file that is in its capability and on no server. */
  readonly happiness: number;
  /** Shares that were written, by number. */
  readonly placements: readonly SharePlacement[];
  /** Shares that were there before. */
  readonly alreadyThere: readonly SharePlacement[];
  /** Shares whose server failed or fell behind, in the order in which that happened. */
  readonly replaced: readonly Replacement[];
}

/**
 * Uploads a file. Memory is bounded whatever its size. The source is read once; twice with a convergence secret;
 * and in part again when a server has to be replaced.
 * @param servers in any order; the file's own permutation decides who is asked first.
 * @throws GridError TOO_FEW_SERVERS, SOURCE_CHANGED, BAD_ARGUMENT; `signal.reason` when it was cancelled; what
 *   the source throws.
 */
export async function upload(
  source: UploadSource,
  servers: readonly StorageServer[],
  options: UploadOptions,
): Promise<UploadResult> {
  const upload = new Upload(source, servers, options);
  try {
    return await upload.run();
  } catch (error) {
    throw upload.explain(error);
  }
}

class Upload {
  readonly #source: UploadSource;
  readonly #servers: readonly StorageServer[];
  readonly #options: UploadOptions;
  readonly #needed: number;
  readonly #happy: number;
  readonly #total: number;
  readonly #segmentSizeBytes: number;
  readonly #startedAtMs: number;
  #placement: Placement | undefined;
  #stage: GridStage = 'preparing';
  #doneBytes = 0;

  constructor(source: UploadSource, servers: readonly StorageServer[], options: UploadOptions) {
    this.#options = options;
    this.#servers = servers;
    this.#source = interruptibleSource(source, options.signal, (readBytes) => {
      if (this.#stage === 'hashing') this.#report('hashing', readBytes);
    });
    this.#needed = options.needed ?? 3;
    this.#happy = options.happy ?? 7;
    this.#total = options.total ?? 10;
    this.#segmentSizeBytes = options.segmentSizeBytes ?? DEFAULT_SEGMENT_SIZE_BYTES;
    this.#startedAtMs = options.clock.now();
  }

  async run(): Promise<UploadResult> {
    this.#checkOptions();
    this.#checkpoint();
    if (this.#source.sizeBytes <= LITERAL_SIZE_BYTES_MAX) return this.#literal();

    const { convergence, leaseSecret, signal, clock, random } = this.#options;
    const parameters = { needed: this.#needed, total: this.#total, segmentSizeBytes: this.#segmentSizeBytes };
    if (convergence !== undefined) this.#stage = 'hashing';
    const key =
      convergence === undefined
        ? random.bytes(KEY_BYTES)
        : await convergentKeyOf(this.#source, { ...parameters, convergence });
    const encoder = new ChkEncoder({ ...parameters, key, sizeBytes: this.#source.sizeBytes });
    const storageIndex = storageIndexForKey(key);

    const { segmentSizeBytes } = encoder.segmentation;
    const keyAgain =
      convergence && new ConvergentKeyHasher(convergence, this.#needed, this.#total, segmentSizeBytes);
    const shipment = new Shipment({
      source: this.#source,
      encoder,
      servers: permuteServers(storageIndex, this.#servers),
      storageIndex,
      goal: { needed: this.#needed, happy: this.#happy },
      waitForAll: this.#options.waitForAll ?? false,
      lease: leaseSecret && ((nodeId) => leaseSecrets(leaseSecret, storageIndex, nodeId)),
      clock,
      random,
      retries: this.#options.retries,
      signal,
      prepare: async (placement) => {
        if (convergence !== undefined) await placement.lookForExisting(signal);
      },
      onSegment: (plaintext) => keyAgain?.update(plaintext),
      onStage: (stage) => {
        // Two contents under one key would share its key stream, and give away what they differ in.
        if (stage === 'closing' && keyAgain && !equalBytes(keyAgain.digest(), key)) {
          throw this.#sourceChanged('the source gave other bytes than when its key was computed');
        }
        this.#report(stage, stage === 'placing' ? 0 : this.#doneBytes);
      },
      onProgress: (part) => {
        const doneBytes = Math.floor(this.#source.sizeBytes * part);
        this.#report(this.#stage === 'closing' ? 'closing' : 'pushing', doneBytes);
      },
    });
    this.#placement = shipment.placement;
    const { file, written, existing, replaced } = await shipment.run();
    this.#report('closing', this.#source.sizeBytes);
    return {
      capability: formatCapability(file.capabilityWith(key)),
      happiness: happiness([...existing, ...written]),
      placements: written.map(toSharePlacement),
      alreadyThere: existing.map(toSharePlacement),
      replaced,
    };
  }

  /** What to tell the caller about something that was thrown inside. */
  explain(error: unknown): unknown {
    const { signal } = this.#options;
    if (signal?.aborted) return signal.reason;
    if (error instanceof SourceError) return this.#sourceChanged(error.message, error);
    if (error instanceof TooFewServersLeft) {
      const servers =
        this.#stage === 'placing' ? 'would take shares' : 'were left in the middle of the upload';
      const reached = happiness(this.#placement?.holdings ?? []);
      const orAskForLess = this.#happy > 1 ? ', or ask for a smaller happiness' : '';
      return this.#error(
        'TOO_FEW_SERVERS',
        `only ${reached} of the ${this.#happy} servers that the file should be safe on (happy) ${servers}`,
        `Start more storage servers or make room on them and upload again${orAskForLess}.`,
      );
    }
    return error;
  }

  async #literal(): Promise<UploadResult> {
    const capability = formatCapability({ kind: 'lit', bytes: await readLiteral(this.#source) });
    this.#report('closing', this.#source.sizeBytes);
    return { capability, happiness: 0, placements: [], alreadyThere: [], replaced: [] };
  }

  #checkpoint(): void {
    this.#options.signal?.throwIfAborted();
  }

  #report(stage: UploadProgress['stage'], doneBytes: number): void {
    // A share that goes to another server takes its bytes with it; the bar does not go back for that.
    this.#doneBytes = stage === this.#stage ? Math.max(this.#doneBytes, doneBytes) : doneBytes;
    this.#stage = stage;
    this.#options.onProgress?.({ stage, doneBytes: this.#doneBytes, totalBytes: this.#source.sizeBytes });
  }

  #checkOptions(): void {
    const { sizeBytes } = this.#source;
    const needed = this.#needed;
    const happy = this.#happy;
    const total = this.#total;
    const segmentSizeBytes = this.#segmentSizeBytes;
    for (const [name, value] of Object.entries({ needed, happy, total, segmentSizeBytes })) {
      if (!Number.isSafeInteger(value) || value < 1) throw this.#badArgument(`${name} is ${value}`);
    }
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0)
      throw this.#badArgument(`the size is ${sizeBytes}`);
    if (total > SHARES_MAX) throw this.#badArgument(`${total} shares are more than ${SHARES_MAX}`);
    if (needed > total) throw this.#badArgument(`${needed} shares cannot be needed of ${total}`);
    if (happy > total) throw this.#badArgument(`${total} shares cannot make ${happy} servers happy`);
  }

  #sourceChanged(problem: string, cause?: unknown): GridError {
    const advice = 'Upload it again when nobody writes to it any more.';
    return this.#error('SOURCE_CHANGED', problem, advice, cause);
  }

  #badArgument(problem: string): GridError {
    return this.#error('BAD_ARGUMENT', problem, 'Shares: needed <= total <= 256 and happy <= total.');
  }

  #error(code: GridErrorCode, problem: string, advice: string, cause?: unknown): GridError {
    return new GridError(code, {
      problem,
      advice,
      stage: this.#stage,
      elapsedMs: this.#options.clock.now() - this.#startedAtMs,
      servers: this.#placement?.outcomes ?? [],
      cause,
    });
  }
}

function toSharePlacement(holding: {
  readonly shareNumber: number;
  readonly server: StorageServer;
}): SharePlacement {
  return { shareNumber: holding.shareNumber, serverName: holding.server.name };
}
