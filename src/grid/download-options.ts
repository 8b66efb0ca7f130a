// What a download takes and tells, for download.ts, which callers know, and download-run.ts, which does the work.

import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { RetryBudget } from '../base/retry-budget.ts';
import type { ServerRecords } from './server-record.ts';

/** A part of a file. */
export interface ByteRange {
  readonly offset: number;
  /** What lies beyond the end of the file is left out; `Infinity`: to the end. */
  readonly length: number;
}

/** How to download. */
export interface DownloadOptions {
  readonly clock: Clock;
  /** For jitter only. */
  readonly random: Random;
  /** Cancels the download: whoever waits for bytes gets the signal's reason at once. */
  readonly signal?: AbortSignal | undefined;
  /** Default: the whole file. */
  readonly range?: ByteRange | undefined;
  /** Segments under way at once, the one that is waited for counted; default: as many as make 8 MiB. */
  readonly readAheadSegments?: number | undefined;
  /** What earlier downloads learnt of the servers; give the same one to each to have them learn together. */
  readonly records?: ServerRecords | undefined;
  /**
   * Pays for every server asked in place of a late one: the `retries` of the transport that the servers are called
   * over. Default: only their number at once is bounded.
   */
  readonly retries?: RetryBudget | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
}

/** How far a download is. */
export interface DownloadProgress {
  readonly stage: 'locating' | 'reading';
  /** Bytes that were handed out. */
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/** A share that was not what its file has there. */
export interface Corruption {
  readonly shareNumber: number;
  readonly serverName: string;
  /** Which part of it, e.g. `its block of segment 3 does not fit its hash`. */
  readonly what: string;
}
