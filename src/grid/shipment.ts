// Brings shares of one file to servers: places them, pushes them, makes them final. When it fails or is cancelled,
// nothing half-written stays. An upload and a repair are made of it; what they encode, and why, is their business.

import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { RetryBudget } from '../base/retry-budget.ts';
import type { LeaseSecretsFor, StorageServer } from '../storage/storage-server.ts';
import type { ChkEncoder, EncodedFile } from './encode.ts';
import { Errands } from './errands.ts';
import type { Holding, UploadGoal } from './happiness.ts';
import { Notice } from './notice.ts';
import { type Grant, Placement } from './placement.ts';
import type { UploadSource } from './source.ts';
import { Push, type Replacement, TooFewServersLeft } from './upload-push.ts';

/** What is brought where. */
export interface ShipmentOptions {
  readonly source: UploadSource;
  readonly encoder: ChkEncoder;
  /** In the order in which they are asked. */
  readonly servers: readonly StorageServer[];
  readonly storageIndex: Uint8Array;
  readonly goal: UploadGoal;
  readonly waitForAll: boolean;
  readonly lease: LeaseSecretsFor | undefined;
  readonly clock: Clock;
  readonly random: Random;
  /** Pays for offering a share to a second server because the first is late. */
  readonly retries: RetryBudget | undefined;
  readonly signal: AbortSignal | undefined;
  /** Runs before servers are asked to take shares: says what is known of those that are there. */
  readonly prepare: (placement: Placement) => Promise<void>;
  /** Sees each segment of the first pass, in order. */
  readonly onSegment: (bytes: Uint8Array) => void;
  /** What it throws ends the shipment. */
  readonly onStage: (stage: ShipmentStage) => void;
  /** How much of what there is to push was acknowledged, from 0 to 1. */
  readonly onProgress: (part: number) => void;
}

export type ShipmentStage = 'placing' | 'pushing' | 'closing';

/** What came of it. */
export interface Shipped {
  readonly file: EncodedFile;
  /** Shares that were written, by number. */
  readonly written: readonly Grant[];
  /** Shares that were there before. */
  readonly existing: readonly Holding<StorageServer>[];
  readonly replaced: readonly Replacement[];
}

/** One shipment; `run` it once. */
export class Shipment {
  readonly placement: Placement;
  readonly #options: ShipmentOptions;
  readonly #errands: Errands;
  readonly #changed = new Notice();

  constructor(options: ShipmentOptions) {
    this.#options = options;
    const { servers, storageIndex, goal, encoder, lease, clock, random, retries } = options;
    this.#errands = new Errands(clock);
    this.placement = new Placement({
      servers,
      storageIndex,
      total: encoder.total,
      goal,
      shareSizeBytes: encoder.shareSizeBytes,
      lease,
      clock,
      random,
      retries,
      errands: this.#errands,
      onChange: () => this.#changed.give(),
    });
  }

  /** @throws TooFewServersLeft; `signal.reason`; what the source, `prepare` and `onStage` throw. */
  async run(): Promise<Shipped> {
    const { signal } = this.#options;
    const { placement } = this;
    const push = this.#push();
    const onAbort = () => this.#changed.give();
    signal?.addEventListener('abort', onAbort);
    let isDone = false;
    try {
      await this.#place();
      const file = await push.run();
      isDone = true;
      const written = push.closed.map((lane) => lane.grant).sort((a, b) => a.shareNumber - b.shareNumber);
      await push.close();
      return { file, written, existing: placement.existing, replaced: push.replaced };
    } finally {
      signal?.removeEventListener('abort', onAbort);
      await push.close();
      placement.close(isDone);
      // A failed upload takes more care to be heard than one that is done.
      await this.#errands.settle(
        isDone ? { suspectsMs: 50, othersMs: 500 } : { suspectsMs: 500, othersMs: 1000 },
      );
    }
  }

  async #place(): Promise<void> {
    const { onStage, prepare } = this.#options;
    const { placement } = this;
    onStage('placing');
    await prepare(placement);
    this.#checkpoint();
    placement.start();
    while (placement.state === 'working') {
      if (placement.canBeginPush) {
        if (placement.grants.size > 0) break;
        placement.hurry();
      }
      await this.#changed.next();
      this.#checkpoint();
    }
    if (placement.state === 'stuck') throw new TooFewServersLeft();
    placement.beginPush();
  }

  #push(): Push {
    const { source, encoder, goal, waitForAll, clock, random, onSegment, onStage, onProgress } =
      this.#options;
    const { placement } = this;
    return new Push({
      source,
      encoder,
      placement,
      goal,
      waitForAll,
      clock,
      random,
      changed: this.#changed,
      checkpoint: () => this.#checkpoint(),
      onSegment,
      onStage,
      onProgress: (ackedBytes) => {
        const allBytes = encoder.shareSizeBytes * Math.max(1, placement.grants.size);
        onProgress(Math.min(1, ackedBytes / allBytes));
      },
    });
  }

  #checkpoint(): void {
    this.#options.signal?.throwIfAborted();
  }
}
