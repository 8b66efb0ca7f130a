// Pushes the shares of one file to their servers: encodes segment by segment, bounds what is in memory, and gives
// a share to another server when its own fails or falls behind the others. Which server is placement's business.

import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { encodeShareHeader } from '../tahoe/share-layout.ts';
import type { ChkEncoder, EncodedFile } from './encode.ts';
import { outcomeOf, seconds } from './error.ts';
import { reaches, type UploadGoal } from './happiness.ts';
import { BLOCKS_TOLERATED, isAtLeast, LateWatch } from './late-watch.ts';
import type { Notice } from './notice.ts';
import type { Placement } from './placement.ts';
import { segmentsOf, type UploadSource } from './source.ts';
import { Lane, WRITE_BYTES_MIN } from './upload-lane.ts';

/** A share that went to another server in the middle of the upload. */
export interface Replacement {
  readonly shareNumber: number;
  readonly from: string;
  /** `undefined`: no other server took it. */
  readonly to: string | undefined;
  /** What the first server did, e.g. `is silent`. */
  readonly reason: string;
}

/** What a push works with. */
export interface PushOptions {
  readonly source: UploadSource;
  readonly encoder: ChkEncoder;
  readonly placement: Placement;
  readonly goal: UploadGoal;
  readonly waitForAll: boolean;
  readonly clock: Clock;
  readonly random: Random;
  /** Wakes the push; `placement` gives it, and who aborts. */
  readonly changed: Notice;
  /** Throws when the upload is to stop. */
  readonly checkpoint: () => void;
  /** Sees each segment of the first pass, in order. */
  readonly onSegment: (plaintext: Uint8Array) => void;
  /** Shares are written from now on, or made final; what it throws ends the upload. */
  readonly onStage: (stage: 'pushing' | 'closing') => void;
  /** The share bytes that servers have acknowledged, of all that there are to push. */
  readonly onProgress: (ackedBytes: number) => void;
}

/** The servers that are left are too few; `upload` says it to the user. */
export class TooFewServersLeft extends Error {}

/**
 * One file's push.
 *
 * Each share has a lane. The encoder runs a few segments ahead of the slowest lane whose server answers in
 * time; a late server gets a longer queue and holds nobody up until that is full as well. Then its share goes to
 * another server: new blocks at once, the earlier ones by a second pass over the source.
 */
export class Push {
  readonly replaced: Replacement[] = [];
  readonly #options: PushOptions;
  readonly #lanes = new Map<number, Lane>();
  /** Shares whose server came later: segments below this number are still to be given to the lane. */
  readonly #missingBelow = new Map<number, number>();
  /** Shares for which a late server is still waited for: what there is for them already, as far as a lane may hold it. */
  readonly #held = new Map<number, Piece[]>();
  /** Shares without a server, from the moment when their server was lost: index into `replaced`. */
  readonly #moving = new Map<number, number>();
  readonly #writes: LateWatch<undefined>;
  readonly #closes: LateWatch<undefined>;
  readonly #header: Uint8Array;
  /** What a lane may hold. */
  readonly #windowBytes: number;
  #segmentsEncoded = 0;
  #file: EncodedFile | undefined;
  #catchingUp: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(options: PushOptions) {
    this.#options = options;
    const { encoder, clock, changed } = options;
    this.#header = encodeShareHeader(encoder.layout);
    const { blockSizeBytes } = encoder.segmentation;
    const segments = Math.min(WINDOW_SEGMENTS, Math.floor(WINDOW_BYTES / (encoder.total * blockSizeBytes)));
    this.#windowBytes = Math.max(1, segments) * blockSizeBytes;
    const onLate = () => changed.give();
    this.#writes = new LateWatch({
      clock,
      floorMs: 250,
      unknownMs: 1000,
      toleratedFactor: BLOCKS_TOLERATED,
      onLate,
    });
    // Making a share final takes a disk its time, and unevenly so.
    this.#closes = new LateWatch({ clock, floorMs: 350, unknownMs: 1000, onLate });
  }

  /**
   * Pushes everything and makes the shares final.
   * @throws TooFewServersLeft, and what the source or the checkpoint throws.
   */
  async run(): Promise<EncodedFile> {
    const { source, encoder, onSegment, onStage } = this.#options;
    onStage('pushing');
    this.#adoptGrants();
    for (const share of this.#options.placement.sought) this.#held.set(share, []);
    for await (const { index, bytes } of segmentsOf(source, encoder.segmentation.segmentSizeBytes)) {
      await this.#until(() => this.#hasRoom(this.#lanes.values()) && !this.#isHeldFull);
      onSegment(bytes);
      const blocks = encoder.encodeSegment(index, bytes);
      this.#segmentsEncoded = index + 1;
      const offset = encoder.blockOffsetOf(index);
      for (const [share, lane] of this.#lanes) lane.enqueue(offset, blocks[share]!);
      for (const [share, pieces] of this.#held) pieces.push({ offset, bytes: blocks[share]! });
    }
    this.#file = encoder.finish();
    for (const [share, lane] of this.#lanes) if (!this.#missingBelow.has(share)) this.#completeLane(lane);

    await this.#until(() => this.#isEnough((lane) => lane.isWritten));
    onStage('closing');
    await this.#until(() => {
      // Also those that were late with their last bytes.
      for (const lane of this.#lanes.values()) if (lane.isWritten) lane.close();
      return this.#isEnough((lane) => lane.isClosed);
    });
    return this.#file;
  }

  /** Lets go of all that is not finished, also after a failure. */
  async close(): Promise<void> {
    this.#failure ??= { error: new Error('the push is over') };
    for (const lane of this.#lanes.values()) {
      if (lane.isOver) continue;
      const { shareNumber, server } = lane.grant;
      const reason = `had not finished ${seconds(lane.waitingMs)} after it was asked, when enough others had`;
      this.replaced.push({ shareNumber, from: server.name, to: undefined, reason });
      lane.drop();
    }
    this.#writes.close();
    this.#closes.close();
    this.#options.changed.give();
    await this.#catchingUp;
  }

  /** The shares that are final at their servers. */
  get closed(): Lane[] {
    return [...this.#lanes.values()].filter((lane) => lane.isClosed);
  }

  /** Waits for a condition; meanwhile does whatever is to be done about servers that fail or fall behind. */
  async #until(holds: () => boolean): Promise<void> {
    for (;;) {
      this.#options.checkpoint();
      if (this.#failure !== undefined) throw this.#failure.error;
      this.#adoptGrants();
      this.#replaceHoldUps();
      this.#hurryLatecomers();
      if (this.#options.placement.state === 'stuck') throw new TooFewServersLeft();
      if (holds()) return;
      await this.#options.changed.next();
    }
  }

  /** Opens a lane for each share that was given to a server. */
  #adoptGrants(): void {
    const { placement, clock, random, changed, onProgress } = this.#options;
    for (const [share, grant] of placement.grants) {
      if (this.#lanes.has(share)) continue;
      const lane = new Lane({
        grant,
        clock,
        random,
        writes: this.#writes,
        closes: this.#closes,
        onProgress: () => {
          if (lane.isClosed) placement.keep(share);
          onProgress(this.#ackedBytes());
          changed.give();
        },
        onFailure: (_, error) => {
          this.#moveShare(lane, outcomeOf(error));
          changed.give();
        },
      });
      this.#lanes.set(share, lane);
      lane.enqueue(0, this.#header);
      const moved = this.#moving.get(share);
      if (moved !== undefined) {
        this.replaced[moved] = { ...this.replaced[moved]!, to: grant.server.name };
        this.#moving.delete(share);
      }
      const pieces = this.#held.get(share);
      this.#held.delete(share);
      if (pieces !== undefined) {
        for (const { offset, bytes } of pieces) lane.enqueue(offset, bytes);
        if (this.#file !== undefined) this.#completeLane(lane);
      } else if (this.#segmentsEncoded > 0) {
        this.#missingBelow.set(share, this.#segmentsEncoded);
        this.#catchingUp ??= this.#catchUp();
      }
    }
  }

  /**
   * Who was asked to take a share and is late may answer as long as the others have work to do. Then the share becomes
   * another server's second one.
   */
  #hurryLatecomers(): void {
    const { placement, waitForAll } = this.#options;
    if (this.#held.size > 0 && placement.state !== 'working') this.#held.clear();
    if (this.#held.size === 0 || waitForAll || !(this.#file !== undefined || this.#isHeldFull)) return;
    const isDone = (lane: Lane) => this.#file === undefined || lane.isWritten;
    const lanes = [...this.#lanes.values()];
    if (lanes.every((lane) => isAtLeast(lane.lateness, 'late') || (isDone(lane) && !lane.isBusy))) {
      placement.hurry();
    }
  }

  get #isHeldFull(): boolean {
    const [pieces = []] = this.#held.values();
    return pieces.reduce((sum, { bytes }) => sum + bytes.length, 0) >= this.#laneBytesMax;
  }

  /** The share's server is given up; another one is looked for. */
  #moveShare(lane: Lane, reason: string): void {
    const { placement, goal, waitForAll } = this.#options;
    const { shareNumber, server } = lane.grant;
    lane.drop();
    this.#lanes.delete(shareNumber);
    this.#missingBelow.delete(shareNumber);
    this.#moving.set(shareNumber, this.replaced.length);
    this.replaced.push({ shareNumber, from: server.name, to: undefined, reason });
    // When all is encoded, a second share at some server is worth waiting for only if it is needed.
    const others = [...placement.grants.values()].filter((grant) => grant.shareNumber !== shareNumber);
    const isNeeded = waitForAll || !reaches(goal, [...placement.existing, ...others]);
    placement.release(shareNumber, reason, { doubleUp: this.#file === undefined || isNeeded });
  }

  #hasRoom(lanes: Iterable<Lane>): boolean {
    return [...lanes].every((lane) => !this.#isFull(lane));
  }

  /** Whether a lane holds as much as it may: more when its server is late, so that it does not hold up the rest. */
  #isFull(lane: Lane): boolean {
    const isLate = isAtLeast(lane.lateness, 'overdue');
    return lane.queuedBytes >= (isLate ? this.#lateLaneBytesMax : this.#laneBytesMax);
  }

  // Two runs of bytes, old segments and new ones, may each be waiting to be worth a write.
  get #laneBytesMax(): number {
    return Math.max(this.#windowBytes, 2 * WRITE_BYTES_MIN);
  }

  get #lateLaneBytesMax(): number {
    return Math.max(LATE_WINDOW_FACTOR * this.#windowBytes, 2 * WRITE_BYTES_MIN);
  }

  /**
   * Moves shares away from servers that hold up the others: late by what the others take, and the only ones
   * for which the encoder waits, or all that is left to finish. When most are late, it is not their fault.
   */
  #replaceHoldUps(): void {
    const { placement } = this.#options;
    const active = [...this.#lanes.values()].filter((lane) => !lane.isClosed);
    const late = active.filter((lane) => isAtLeast(lane.lateness, 'late'));
    const waitedFor = this.#file === undefined ? active.filter((lane) => this.#isFull(lane)) : active;
    // A lane with nothing on its way shows nothing: it is done, or waits for blocks that others hold up.
    if (waitedFor.some((lane) => lane.isBusy && !late.includes(lane))) return;
    for (const lane of waitedFor) {
      // Without a spare server the share would become another server's second one, worth less than a wait; and
      // when all is encoded, `isEnough` rather does without it.
      const withoutSpare = this.#file === undefined ? 'very late' : 'hopeless';
      const limit =
        2 * late.length > this.#lanes.size ? 'hopeless' : placement.hasSpareServer ? 'late' : withoutSpare;
      if (!isAtLeast(lane.lateness, limit)) continue;
      this.#moveShare(lane, `fell behind the others (no answer for ${seconds(lane.waitingMs)})`);
    }
  }

  /**
   * Whether every share has come so far, or those that have are enough and the rest is late: the long tail is
   * not waited for, unless that was asked for.
   */
  #isEnough(hasCome: (lane: Lane) => boolean): boolean {
    const { placement, goal, waitForAll } = this.#options;
    if (placement.state === 'working') return false;
    const lanes = [...this.#lanes.values()];
    const rest = lanes.filter((lane) => !hasCome(lane));
    if (rest.length === 0) return true;
    if (waitForAll) return false;
    const come = lanes.filter(hasCome).map((lane) => lane.grant);
    if (!reaches(goal, [...placement.existing, ...come])) return false;
    return rest.every((lane) => isAtLeast(lane.lateness, 'late'));
  }

  /** Gives lanes that joined later the blocks that they missed, in passes over the source. */
  async #catchUp(): Promise<void> {
    try {
      while (this.#missingBelow.size > 0) await this.#catchUpPass();
    } catch (error) {
      this.#failure ??= { error };
    } finally {
      this.#catchingUp = undefined;
      this.#options.changed.give();
    }
  }

  async #catchUpPass(): Promise<void> {
    const { source, encoder, changed } = this.#options;
    const joined = [...this.#missingBelow.keys()].map((share) => this.#lanes.get(share)!);
    const stillThere = () => joined.filter((lane) => this.#lanes.get(lane.grant.shareNumber) === lane);
    const missingBelow = (lane: Lane) => this.#missingBelow.get(lane.grant.shareNumber) ?? 0;
    for await (const { index, bytes } of segmentsOf(source, encoder.segmentation.segmentSizeBytes)) {
      const behind = () => stillThere().filter((lane) => missingBelow(lane) > index);
      while (this.#failure === undefined && !this.#hasRoom(behind())) await changed.next();
      const lanes = behind();
      if (this.#failure !== undefined || lanes.length === 0) break;
      const shares = lanes.map((lane) => lane.grant.shareNumber);
      const blocks = encoder.encodeBlocksAgain(index, bytes, shares);
      for (const [i, lane] of lanes.entries()) lane.enqueue(encoder.blockOffsetOf(index), blocks[i]!);
    }
    for (const lane of stillThere()) {
      this.#missingBelow.delete(lane.grant.shareNumber);
      if (this.#file !== undefined) this.#completeLane(lane);
    }
    if (this.#failure !== undefined) this.#missingBelow.clear();
  }

  /** Gives a lane that has all blocks what comes behind them. */
  #completeLane(lane: Lane): void {
    const { offset, bytes } = this.#file!.tail(lane.grant.shareNumber);
    lane.enqueue(offset, bytes);
    lane.complete();
  }

  #ackedBytes(): number {
    let bytes = 0;
    for (const lane of this.#lanes.values()) bytes += lane.ackedBytes;
    return bytes;
  }
}

/** A part of a share. */
interface Piece {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** Segments that a lane may be behind the encoder, where the blocks of all lanes together stay below the bytes. */
const WINDOW_SEGMENTS = 4;
const WINDOW_BYTES = 32 * 1024 * 1024;
/** How much more it may be for a server that is late, before it holds up the others or is given up. */
const LATE_WINDOW_FACTOR = 4;
