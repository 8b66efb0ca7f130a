// One share at one server, as a source of proven blocks: reads its hash trees once, then block after block.
// Which of several shares to ask is segment-fetch's business.

import { concatBytes } from '../base/bytes.ts';
import type { StorageServer } from '../storage/storage-server.ts';
import type { ChkFile } from '../tahoe/capability.ts';
import { FormatError } from '../tahoe/format-error.ts';
import { HASH_BYTES } from '../tahoe/hashes.ts';
import { HashNodeRun, isWholeTree, nodeCount } from '../tahoe/merkle.ts';
import type { Segmentation } from '../tahoe/segments.ts';
import {
  FRAMED_URI_EXTENSION_BYTES_MAX,
  parseShareChain,
  parseShareHeader,
  SHARE_HEADER_BYTES_MAX,
  type ShareLayout,
  shareChainBytesMax,
  unframeUriExtension,
} from '../tahoe/share-layout.ts';
import { parseUriExtension } from '../tahoe/uri-extension.ts';
import { AlteredCapabilityError, ChkDecoder } from './decode.ts';
import { isAtLeast, type Lateness, type LateWatch } from './late-watch.ts';
import type { ServerRecord } from './server-record.ts';

/** What the readers of one file share. */
export interface SharedFile {
  readonly capability: ChkFile;
  readonly storageIndex: Uint8Array;
  /** Looks at every copy of what all shares have alike, also where one that is valid is known. */
  readonly isThorough?: boolean | undefined;
  /** Set by the first reader that has read a valid URI extension block. */
  decoder: ChkDecoder | undefined;
  /** Questions by kind; the subject is told how late the answer is. */
  readonly treeReads: LateWatch<(lateness: Lateness) => void>;
  readonly blockReads: LateWatch<(lateness: Lateness) => void>;
  /** `decoder` was set. */
  readonly onDecoder: () => void;
}

/** How a block is asked for. */
export interface BlockCall {
  readonly signal: AbortSignal;
  /** The answer is later than it should be, and how late; more than once, rising. */
  readonly onLate: (lateness: Lateness) => void;
}

/** The share is not what its file has there; the sentence says which part. */
export class CorruptShareError extends Error {
  override readonly name: string = 'CorruptShareError';
}

/** A located share. */
export class ShareReader {
  readonly server: StorageServer;
  readonly shareNumber: number;
  readonly record: ServerRecord;
  readonly #file: SharedFile;
  #opening: Opening | undefined;
  #opened: OpenedShare | undefined;

  constructor(server: StorageServer, shareNumber: number, record: ServerRecord, file: SharedFile) {
    this.server = server;
    this.shareNumber = shareNumber;
    this.record = record;
    this.#file = file;
  }

  /** Its hash trees were read: the next block costs one round trip. */
  get isOpen(): boolean {
    return this.#opened !== undefined;
  }

  /**
   * The proven block of a segment; opens the share first where that was not done.
   * @param segmentIn the segment's number, which may depend on how the file turns out to be cut.
   * @throws CorruptShareError; AlteredCapabilityError; `call.signal.reason`; what the server throws.
   */
  async block(segmentIn: (cut: Segmentation) => number, call: BlockCall): Promise<Uint8Array> {
    const { layout, blockTree, whole } = await this.#open(call);
    const decoder = this.#file.decoder!;
    const { segmentation } = decoder;
    const segment = segmentIn(segmentation);
    if (!decoder.addBlockHashes(this.shareNumber, segment, blockTree)) {
      throw new CorruptShareError('its block hash tree does not fit its root');
    }
    const offset = layout.dataOffset + segmentation.blockOffsetOf(segment);
    const sizeBytes = segmentation.blockSizeOf(segment);
    const block =
      whole?.subarray(offset, offset + sizeBytes) ?? (await this.#readBlock(offset, sizeBytes, call));
    if (!decoder.verifyBlock(this.shareNumber, segment, block)) {
      throw new CorruptShareError(`its block of segment ${segment} does not fit its hash`);
    }
    return block;
  }

  /**
   * Checks what proving every block leaves unseen: the nodes of its hash trees that no proof needed. After the last
   * {@link block} only. @throws CorruptShareError
   */
  verifyTrees(): void {
    const { crypttextTree, blockTree } = this.#opened!;
    const { segmentation, uriExtension, blockRoots } = this.#file.decoder!;
    const leaves = segmentation.segmentCount;
    if (!isWholeTree(leaves, blockRoots.get(this.shareNumber)!, blockTree)) {
      throw new CorruptShareError('its block hash tree does not fit its root');
    }
    if (!isWholeTree(leaves, uriExtension.crypttextRootHash, crypttextTree)) {
      throw new CorruptShareError('its crypttext hash tree does not fit the capability');
    }
  }

  /** Proves the hash of an encrypted segment from this share's copy of the tree; false also while not open. */
  proveCrypttext(segment: number): boolean {
    const tree = this.#opened?.crypttextTree;
    return tree !== undefined && this.#file.decoder!.addCrypttextHashes(segment, tree);
  }

  /** Opens once for all who ask meanwhile; given up when none of them is left. */
  #open(call: BlockCall): Promise<OpenedShare> {
    if (this.#opened !== undefined) return Promise.resolve(this.#opened);
    const opening = this.#opening ?? this.#beginOpening();
    opening.calls.add(call);
    if (isAtLeast(opening.lateness, 'overdue')) call.onLate(opening.lateness);
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        opening.calls.delete(call);
        if (opening.calls.size === 0) {
          if (this.#opening === opening) this.#opening = undefined;
          opening.controller.abort(call.signal.reason);
        }
        reject(call.signal.reason);
      };
      if (call.signal.aborted) return onAbort();
      call.signal.addEventListener('abort', onAbort);
      opening.promise.then(resolve, reject).finally(() => {
        call.signal.removeEventListener('abort', onAbort);
      });
    });
  }

  #beginOpening(): Opening {
    const controller = new AbortController();
    const calls = new Set<BlockCall>();
    const onLate = (lateness: Lateness) => {
      opening.lateness = lateness;
      for (const call of [...calls]) call.onLate(lateness);
    };
    const opening: Opening = {
      controller,
      calls,
      lateness: 'due',
      promise: this.#readTrees({ signal: controller.signal, onLate }),
    };
    this.#opening = opening;
    opening.promise.then(
      (opened) => {
        this.#opened = opened;
      },
      () => {
        if (this.#opening === opening) this.#opening = undefined;
      },
    );
    return opening;
  }

  /** Header, hash trees, share hash chain and URI extension block: one read for a small share, else two. */
  async #readTrees(call: BlockCall): Promise<OpenedShare> {
    const { capability } = this.#file;
    const dataBytes = Math.ceil(capability.sizeBytes / capability.needed);
    const isSmall = dataBytes <= WHOLE_SHARE_BYTES_MAX;
    // Half as much again for the trees of a file in small segments, and what a share has at least.
    const firstBytes = isSmall
      ? Math.ceil(1.5 * dataBytes) + 2 * FRAMED_URI_EXTENSION_BYTES_MAX
      : SHARE_HEADER_BYTES_MAX;
    const first = await this.#read(0, firstBytes, this.#file.treeReads, call);
    // A short answer means that the share ends there.
    const whole = first.length < firstBytes ? first : undefined;
    const layout = corruptUnless(() => parseShareHeader(first, whole?.length));

    const from = layout.crypttextTreeOffset;
    const to = layout.uriExtensionOffset + FRAMED_URI_EXTENSION_BYTES_MAX;
    const { treeReads } = this.#file;
    if (whole === undefined && to - from > UNPROVEN_TREES_BYTES_MAX && this.#file.decoder === undefined) {
      // Before so much is read for the word of a header, what the file really is.
      const offset = layout.uriExtensionOffset;
      const extension = await this.#read(offset, FRAMED_URI_EXTENSION_BYTES_MAX, treeReads, call);
      this.#learnUriExtension(layout, extension);
    }
    if (this.#file.decoder !== undefined && to - from > this.#tailBytesMax(this.#file.decoder)) {
      throw new CorruptShareError('its header claims larger hash trees than the file can have');
    }
    const tail = whole?.subarray(from) ?? (await this.#readLong(from, to - from, treeReads, call));
    const part = (begin: number, end: number) => tail.subarray(begin - from, end - from);

    this.#learnUriExtension(layout, part(layout.uriExtensionOffset, from + tail.length));
    const chain = corruptUnless(() =>
      parseShareChain(part(layout.shareChainOffset, layout.uriExtensionOffset), capability.total),
    );
    const decoder = this.#file.decoder!;
    const isProven = !this.#file.isThorough || decoder.provesAlone(this.shareNumber, chain);
    if (!isProven || !decoder.addShare(this.shareNumber, chain)) {
      throw new CorruptShareError('its share hash chain does not fit the capability');
    }
    return {
      layout,
      crypttextTree: new HashNodeRun(part(layout.crypttextTreeOffset, layout.blockTreeOffset)),
      blockTree: new HashNodeRun(part(layout.blockTreeOffset, layout.shareChainOffset)),
      whole,
    };
  }

  /** From the crypttext tree to the end of a share, at most. */
  #tailBytesMax({ segmentation }: ChkDecoder): number {
    const treeBytes = nodeCount(segmentation.segmentCount) * HASH_BYTES;
    return 2 * treeBytes + shareChainBytesMax(this.#file.capability.total) + FRAMED_URI_EXTENSION_BYTES_MAX;
  }

  /** The first valid block is enough for all shares; it is the same in each. */
  #learnUriExtension({ version }: ShareLayout, bytes: Uint8Array): void {
    const file = this.#file;
    if (file.decoder !== undefined && !file.isThorough) return;
    const extension = corruptUnless(() =>
      parseUriExtension(unframeUriExtension(bytes, version), file.capability),
    );
    if (file.decoder !== undefined) return;
    file.decoder = new ChkDecoder(file.capability, extension);
    file.onDecoder();
  }

  async #readBlock(offset: number, sizeBytes: number, call: BlockCall): Promise<Uint8Array> {
    let wasInTime = true;
    const onLate = (lateness: Lateness) => {
      wasInTime = false;
      call.onLate(lateness);
    };
    const { treeReads, blockReads } = this.#file;
    // A short block, as that of a last segment, says nothing of how long a long one takes.
    const watch = sizeBytes < SHORT_READ_BYTES ? treeReads : blockReads;
    const timed = (durationMs: number) => this.record.sentBlock(durationMs, wasInTime);
    return this.#readLong(offset, sizeBytes, watch, { signal: call.signal, onLate }, timed);
  }

  /** A read of any length, in parts that one message can carry. */
  async #readLong(
    offset: number,
    sizeBytes: number,
    watch: LateWatch<(lateness: Lateness) => void>,
    call: BlockCall,
    onTimed?: (durationMs: number) => void,
  ): Promise<Uint8Array> {
    if (sizeBytes <= READ_BYTES_MAX) return this.#read(offset, sizeBytes, watch, call, onTimed);
    const parts: Uint8Array[] = [];
    for (let at = 0; at < sizeBytes; at += READ_BYTES_MAX) {
      const partBytes = Math.min(READ_BYTES_MAX, sizeBytes - at);
      const part = await this.#read(offset + at, partBytes, watch, call, onTimed);
      parts.push(part);
      if (part.length < partBytes) break;
    }
    return concatBytes(parts);
  }

  async #read(
    offset: number,
    sizeBytes: number,
    watch: LateWatch<(lateness: Lateness) => void>,
    { signal, onLate }: BlockCall,
    onTimed?: (durationMs: number) => void,
  ): Promise<Uint8Array> {
    signal.throwIfAborted();
    const question = watch.ask(this.server, onLate);
    const options = { signal, onOverdue: question.overdue };
    try {
      const bytes = await this.server.read(
        this.#file.storageIndex,
        this.shareNumber,
        offset,
        sizeBytes,
        options,
      );
      onTimed?.(question.ageMs());
      question.answered();
      if (bytes.length > sizeBytes) throw new CorruptShareError('its server sent more than it was asked for');
      return bytes;
    } catch (error) {
      question.dropped();
      throw error;
    }
  }
}

/** What is kept of a share that was opened. The trees are not trusted; nodes are proven when they are needed. */
interface OpenedShare {
  readonly layout: ShareLayout;
  readonly crypttextTree: HashNodeRun;
  readonly blockTree: HashNodeRun;
  /** The share itself, when it came with the first read. */
  readonly whole: Uint8Array | undefined;
}

interface Opening {
  readonly promise: Promise<OpenedShare>;
  readonly controller: AbortController;
  readonly calls: Set<BlockCall>;
  lateness: Lateness;
}

function corruptUnless<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof FormatError && error.code === 'OTHER_CAPABILITY') {
      throw new AlteredCapabilityError(error.message, { cause: error });
    }
    if (error instanceof FormatError) throw new CorruptShareError(error.message, { cause: error });
    throw error;
  }
}

/** Shares up to about this size are read whole at once: a file of one segment of the default size is. */
const WHOLE_SHARE_BYTES_MAX = 384 * 1024;
const SHORT_READ_BYTES = 16 * 1024;
/** Half of what one message carries. */
const READ_BYTES_MAX = 8 * 1024 * 1024;
/** What is read on the word of an unproven header: the trees of 8192 segments, 8 GiB in segments of 1 MiB. */
const UNPROVEN_TREES_BYTES_MAX = 2 * 1024 * 1024;
