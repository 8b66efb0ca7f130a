// Writes a trace of an endpoint to a file, off its hot path: records are kept as objects and turned into text in
// batches, between which the event loop turns. What does not fit into the buffer is left out, and counted in the file.

import { type FileHandle, open } from 'node:fs/promises';
import type { Clock } from '../base/clock.ts';
import type { EndpointObserver } from '../protocol/observer.ts';
import { systemClock } from '../transport/system-clock.ts';
import { type QlogHeaderOptions, type QlogRecord, QlogTrace, qlogHeader } from './qlog-trace.ts';

/** How to trace. */
export interface TraceFileOptions {
  /** What the endpoint mostly is; `client` by default. */
  readonly vantagePoint?: 'client' | 'server';
  /** What viewers call it; the path by default. */
  readonly title?: string;
  /** Called once, when the file cannot be written any more; the endpoint goes on without it. */
  readonly onError?: (error: unknown) => void;
  /** The endpoint's; the system's by default. */
  readonly clock?: Clock;
  /** Records that wait to be written at most. */
  readonly bufferMax?: number;
}

/** How long records are gathered before they are written. */
const GATHER_MS = 50;
/** Records turned into text in one go: some milliseconds of work. */
const BATCH_MAX = 1000;
/** Tens of megabytes at the worst. */
const BUFFER_MAX = 50_000;

/** RFC 7464: each record begins with a record separator and ends with a line feed. */
const RECORD_SEPARATOR = '\u001e';

/**
 * Opens a file, replacing what was in it, for the option `trace` of createEndpoint. Close it, or `await using` it, after the
 * endpoint. @throws the file system's error when it cannot be opened.
 */
export async function openTraceFile(path: string, options: TraceFileOptions = {}): Promise<TraceFile> {
  const handle = await open(path, 'w');
  const { title = path, vantagePoint = 'client', clock = systemClock } = options;
  const referenceUnixMs = Date.now() - clock.now();
  return new TraceFile(handle, { title, vantagePoint, referenceUnixMs }, options);
}

/** A trace that is being written. */
export class TraceFile implements AsyncDisposable {
  readonly observer: EndpointObserver;
  readonly #handle: FileHandle;
  readonly #onError: (error: unknown) => void;
  readonly #bufferMax: number;
  readonly #clock: Clock;
  #waiting: QlogRecord[] = [];
  #leftOut = 0;
  #text: string;
  #gathering: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #broken = false;
  #closing: Promise<void> | undefined;

  /** See {@link openTraceFile}. */
  constructor(handle: FileHandle, header: QlogHeaderOptions, options: TraceFileOptions) {
    this.#handle = handle;
    this.#onError = options.onError ?? (() => {});
    this.#bufferMax = options.bufferMax ?? BUFFER_MAX;
    this.#clock = options.clock ?? systemClock;
    this.#text = recordText(qlogHeader(header));
    this.observer = new QlogTrace(this.#clock, (record) => this.#add(record));
  }

  /** Writes what waits and closes the file. Idempotent; never rejects. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #add(record: QlogRecord): void {
    if (this.#broken || this.#closing !== undefined) return;
    if (this.#waiting.length >= this.#bufferMax) {
      this.#leftOut++;
      return;
    }
    this.#tellGap();
    this.#waiting.push(record);
    if (this.#gathering !== undefined || this.#writing !== undefined) return;
    this.#gathering = setTimeout(() => {
      this.#gathering = undefined;
      this.#writing = this.#writeAll().finally(() => {
        this.#writing = undefined;
      });
    }, GATHER_MS);
    // It keeps no process alive: what is not closed may lose its last moments.
    this.#gathering.unref();
  }

  async #close(): Promise<void> {
    clearTimeout(this.#gathering);
    await this.#writing;
    this.#tellGap();
    await this.#writeAll();
    await this.#handle.close().catch(this.#onError);
  }

  async #writeAll(): Promise<void> {
    try {
      while (!this.#broken && (this.#waiting.length > 0 || this.#text !== '')) {
        const batch = this.#waiting.splice(0, BATCH_MAX);
        const text = this.#text + batch.map(recordText).join('');
        this.#text = '';
        await this.#handle.appendFile(text);
      }
    } catch (error) {
      this.#broken = true;
      this.#waiting = [];
      this.#onError(error);
    }
  }

  /** Says, where it happened, that records were left out. */
  #tellGap(): void {
    if (this.#leftOut === 0) return;
    const data = { records: this.#leftOut };
    this.#leftOut = 0;
    this.#waiting.push({
      time: this.#clock.now(),
      name: 'nevermind:records_left_out',
      group_id: 'local',
      data,
    });
  }
}

function recordText(record: object): string {
  return `${RECORD_SEPARATOR}${JSON.stringify(record)}\n`;
}
