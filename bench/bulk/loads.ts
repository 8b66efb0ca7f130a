// What the suite `bulk` moves.

/** One large message; or messages one behind the other, some of them under way at once. */
export type Load = 'message' | 'stream';

/** About the largest that there can be. */
export const LARGE_MESSAGE_BYTES = 16_000_000;
export const STREAM_MESSAGE_BYTES: number = 1024 * 1024;
/** More than a receiver grants in all, so that there is always something to send. */
export const AT_ONCE = 16;

/** Before a stream is measured it has found the path, and Node has compiled what it runs; what beginning costs shows in `message`. */
export const WARM_UP_SECONDS = 2;
