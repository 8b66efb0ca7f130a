// What has arrived of a load, and how fast, as both the suite's links count it: the emulated one and the simulated one.

import { AT_ONCE, LARGE_MESSAGE_BYTES, type Load, STREAM_MESSAGE_BYTES, WARM_UP_SECONDS } from './loads.ts';

/** Of a message from the beginning until it is there; of a stream between two arrivals, the first being the last before it was warm. */
export class Arrivals {
  readonly sizeBytes: number;
  /** How long it is not measured yet. */
  readonly warmUpMs: number;
  readonly #load: Load;
  readonly #now: () => number;
  readonly #startedAtMs: number;
  #fromMs: number;
  #untilMs: number;
  #receivedBytes = 0;

  /** Begins now, in ms of any clock. */
  constructor(load: Load, now: () => number) {
    this.#load = load;
    this.#now = now;
    this.sizeBytes = load === 'message' ? LARGE_MESSAGE_BYTES : STREAM_MESSAGE_BYTES;
    this.warmUpMs = load === 'message' ? 0 : 1000 * WARM_UP_SECONDS;
    this.#startedAtMs = now();
    this.#fromMs = this.#startedAtMs;
    this.#untilMs = this.#startedAtMs;
  }

  /** Calls `get` for one message, or for one after another, many at once, until each of them has failed. */
  receive(get: () => Promise<unknown>): Promise<unknown>[] {
    const next = async (): Promise<void> => {
      await get();
      this.#untilMs = this.#now();
      if (this.#untilMs < this.#startedAtMs + this.warmUpMs) this.#fromMs = this.#untilMs;
      else this.#receivedBytes += this.sizeBytes;
    };
    const lane = async (): Promise<void> => {
      for (;;) await next();
    };
    return this.#load === 'message' ? [next()] : Array.from({ length: AT_ONCE }, lane);
  }

  /** Undefined when not one message came whole. */
  get mbitPerS(): number | undefined {
    if (this.#receivedBytes === 0) return undefined;
    return (8 * this.#receivedBytes) / (this.#untilMs - this.#fromMs) / 1000;
  }
}
