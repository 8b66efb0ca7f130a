// Gets a file from the grid as a stream that can be left at any moment. How the bytes are got is download-run's
// business; here is what callers see: options, ranges, literals, iteration and cancelling.

import type { StorageServer } from '../storage/storage-server.ts';
import { type Capability, CapabilityError, parseCapability } from '../tahoe/capability.ts';
import type { Corruption, DownloadOptions } from './download-options.ts';
import { DownloadRun } from './download-run.ts';
import { GridError } from './error.ts';

/**
 * A file on its way. Iterate over it once; nothing is asked of any server before. Leaving the loop, an error and an
 * abort cancel all that is out.
 */
export interface Download extends AsyncIterable<Uint8Array> {
  /** The size of the whole file. */
  readonly sizeBytes: number;
  /** Bytes that this download gives: the range. */
  readonly rangeBytes: number;
  /** Corrupt shares met so far; the bytes handed out are not touched by them. */
  readonly corruptions: readonly Corruption[];
  /** How often another server was asked because one was late. */
  readonly hedges: number;
}

/**
 * Downloads the file that a capability (LIT or CHK) names.
 *
 * Iterating throws GridError NOT_FOUND, NOT_ENOUGH_SHARES, CORRUPT, or BAD_CAPABILITY when the capability contradicts its
 * file, or `signal.reason`.
 * @param servers in any order.
 * @throws GridError BAD_CAPABILITY, BAD_ARGUMENT
 */
export function download(
  capability: string,
  servers: readonly StorageServer[],
  options: DownloadOptions,
): Download {
  return new FileDownload(parse(capability), servers, options);
}

type ReadableCapability = Exclude<Capability, { kind: 'chk-verifier' }>;

class FileDownload implements Download {
  readonly sizeBytes: number;
  readonly rangeBytes: number;
  readonly #offset: number;
  readonly #capability: ReadableCapability;
  readonly #servers: readonly StorageServer[];
  readonly #options: DownloadOptions;
  readonly #corruptions: Corruption[] = [];
  #run: DownloadRun | undefined;
  #isStarted = false;

  constructor(capability: ReadableCapability, servers: readonly StorageServer[], options: DownloadOptions) {
    this.#capability = capability;
    this.#servers = servers;
    this.#options = options;
    this.sizeBytes = capability.kind === 'lit' ? capability.bytes.length : capability.sizeBytes;
    const { offset, length } = options.range ?? { offset: 0, length: Number.POSITIVE_INFINITY };
    if (!Number.isSafeInteger(offset) || offset < 0 || offset > this.sizeBytes || !(length >= 0)) {
      throw badArgument(
        `the range of ${length} bytes from ${offset} is not in the file of ${this.sizeBytes}`,
      );
    }
    this.#offset = offset;
    this.rangeBytes = Math.min(Math.floor(length), this.sizeBytes - offset);
  }

  get corruptions(): readonly Corruption[] {
    return this.#corruptions;
  }

  get hedges(): number {
    return this.#run?.hedges ?? 0;
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    if (this.#isStarted) throw badArgument('a download can be read once only');
    this.#isStarted = true;
    const { signal } = this.#options;
    const capability = this.#capability;
    if (capability.kind === 'lit') return this.#literal(capability.bytes);

    const run = new DownloadRun(capability, this.#servers, this.#options, this.#corruptions);
    this.#run = run;
    const bytes = run.read(this.#offset, this.rangeBytes);
    const onAbort = () => run.cancel(signal!.reason);
    let isOver = false;
    const end = () => {
      isOver = true;
      signal?.removeEventListener('abort', onAbort);
      run.cancel(new Error('the reader has gone away'));
    };
    signal?.addEventListener('abort', onAbort);
    return {
      next: async () => {
        try {
          if (!isOver) signal?.throwIfAborted();
          const result = await bytes.next();
          if (result.done) end();
          return result.done ? { done: true, value: undefined } : result;
        } catch (error) {
          const wasOver = isOver;
          end();
          // Who has left, with a `next` still open, is not told of an error.
          if (wasOver) return { done: true, value: undefined };
          throw error;
        }
      },
      return: async () => {
        end();
        await bytes.return(undefined);
        return { done: true, value: undefined };
      },
    };
  }

  async *#literal(bytes: Uint8Array): AsyncGenerator<Uint8Array, undefined> {
    this.#options.signal?.throwIfAborted();
    if (this.rangeBytes > 0) yield bytes.slice(this.#offset, this.#offset + this.rangeBytes);
  }
}

function parse(text: string): ReadableCapability {
  try {
    const capability = parseCapability(text);
    if (capability.kind !== 'chk-verifier') return capability;
  } catch (error) {
    if (!(error instanceof CapabilityError)) throw error;
    throw badCapability(error.message, error);
  }
  throw badCapability('a verifier capability (URI:CHK-Verifier:) serves to check a file, not to read it');
}

function badCapability(problem: string, cause?: unknown): GridError {
  const advice = 'Use a capability as `put` printed it, from URI:LIT: or URI:CHK: to its last number.';
  return new GridError('BAD_CAPABILITY', { problem, advice, stage: 'preparing', elapsedMs: 0, cause });
}

function badArgument(problem: string): GridError {
  const advice = 'Correct the arguments of `download`.';
  return new GridError('BAD_ARGUMENT', { problem, advice, stage: 'preparing', elapsedMs: 0 });
}
