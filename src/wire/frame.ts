// The inside of a datagram: frames. Decoding gives values or `undefined`, never an exception; encoding writes
// at an offset of the caller's buffer. Layouts: spec/protocol.md, "Frames".

import { Reader, varintBytes, writeUint64, writeVarint } from './varint.ts';

/** First byte of each frame. */
export const FRAME = {
  padding: 0x00,
  ping: 0x01,
  ack: 0x02,
  hello: 0x03,
  request: 0x04,
  requestStart: 0x05,
  response: 0x06,
  responseStart: 0x07,
  cancel: 0x08,
  cancelled: 0x09,
  working: 0x0a,
  grant: 0x0b,
  unknown: 0x0c,
  pathChallenge: 0x0d,
  pathResponse: 0x0e,
} as const;

/** How a handler ended, in the first byte of a response: its body is the answer, or a description of the error. */
export const STATUS = { ok: 0, error: 1 } as const;

/** More ranges than this in one ACK or CANCEL are refused as malformed. */
export const MAX_RANGES_PER_FRAME = 256;

/** [first, last], both included. */
export type IdRange = readonly [first: number, last: number];

/** A frame as received. Byte fields are views of the datagram. */
export type Frame =
  | { readonly type: 'ping' }
  | AckFrame
  | HelloFrame
  | {
      readonly type: 'request';
      readonly callId: number;
      readonly offset: number;
      readonly total: number;
      readonly data: Uint8Array;
    }
  | RequestStartFrame
  | {
      readonly type: 'response';
      readonly callId: number;
      readonly offset: number;
      readonly total: number;
      readonly data: Uint8Array;
    }
  | ResponseStartFrame
  | { readonly type: 'cancel'; readonly ranges: readonly IdRange[] }
  | { readonly type: 'cancelled'; readonly executed: 'no' | 'yes'; readonly ranges: readonly IdRange[] }
  | { readonly type: 'working'; readonly callId: number }
  | { readonly type: 'grant'; readonly callId: number; readonly limit: number }
  | { readonly type: 'unknown'; readonly callId: number }
  | { readonly type: 'path-challenge'; readonly token: number }
  | { readonly type: 'path-response'; readonly token: number };

/** RFC 9000, section 19.3: packet numbers received, highest first. */
export interface AckFrame {
  readonly type: 'ack';
  /** Descending, disjoint. */
  readonly ranges: readonly IdRange[];
  /** Microseconds from the arrival of the highest one to the sending of this frame. */
  readonly delayUs: number;
}

/** First frame of the first packet of each side of a session. */
export interface HelloFrame {
  readonly type: 'hello';
  /** Of a client: its random epoch. Of a server: the incarnation of what it remembers of this client. */
  readonly epoch: number;
  /** The other side's epoch as far as known; 0 when not. */
  readonly knownEpoch: number;
  /** Largest datagram that the sender takes. */
  readonly maxDatagramBytes: number;
  /** How much of a message the other side may send before a GRANT. */
  readonly initialGrantBytes: number;
}

/** The first bytes of a request, at offset 0. */
export interface RequestStartFrame {
  readonly type: 'request-start';
  readonly callId: number;
  /** All calls below it have settled at the client: the server may forget them. At most `callId`. */
  readonly firstIncomplete: number;
  /** Milliseconds that the caller goes on waiting, from the sending of this frame; 0 = for ever. */
  readonly remainingMs: number;
  readonly total: number;
  readonly data: Uint8Array;
}

/** The first bytes of a response, at offset 0. */
export interface ResponseStartFrame {
  readonly type: 'response-start';
  readonly callId: number;
  readonly status: number;
  /** Microseconds from the arrival of the whole request to the handler's answer. */
  readonly heldUs: number;
  readonly total: number;
  readonly data: Uint8Array;
}

/** All frames of an opened packet; `undefined` when the bytes are malformed anywhere. */
export function decodeFrames(bytes: Uint8Array): Frame[] | undefined {
  const reader = new Reader(bytes);
  const frames: Frame[] = [];
  while (!reader.atEnd) {
    const type = reader.byte();
    if (type === FRAME.padding) continue;
    const frame = decodeFrame(type, reader);
    // P-12
    if (frame === undefined || reader.failed) return undefined;
    frames.push(frame);
  }
  return frames;
}

function decodeFrame(type: number, reader: Reader): Frame | undefined {
  switch (type) {
    case FRAME.ping:
      return { type: 'ping' };
    case FRAME.ack:
      return decodeAck(reader);
    case FRAME.hello: {
      const epoch = reader.uint64();
      const knownEpoch = reader.uint64();
      const maxDatagramBytes = reader.varint();
      const initialGrantBytes = reader.varint();
      return epoch === 0
        ? undefined
        : { type: 'hello', epoch, knownEpoch, maxDatagramBytes, initialGrantBytes };
    }
    case FRAME.request:
    case FRAME.response: {
      const callId = reader.varint();
      const offset = reader.varint();
      const total = reader.varint();
      const data = reader.take(reader.varint());
      if (offset === 0 || data.length === 0 || offset + data.length > total) return undefined;
      return { type: type === FRAME.request ? 'request' : 'response', callId, offset, total, data };
    }
    case FRAME.requestStart: {
      const callId = reader.varint();
      const behind = reader.varint();
      const remainingMs = reader.varint();
      const total = reader.varint();
      const data = reader.take(reader.varint());
      if (behind > callId || data.length === 0 || data.length > total) return undefined;
      return { type: 'request-start', callId, firstIncomplete: callId - behind, remainingMs, total, data };
    }
    case FRAME.responseStart: {
      const callId = reader.varint();
      const status = reader.byte();
      const heldUs = reader.varint();
      const total = reader.varint();
      const data = reader.take(reader.varint());
      // An answer may be empty only as a whole.
      if (status > STATUS.error || data.length > total || (data.length === 0 && total > 0)) return undefined;
      return { type: 'response-start', callId, status, heldUs, total, data };
    }
    case FRAME.cancel: {
      const ranges = decodeRanges(reader);
      return ranges && { type: 'cancel', ranges };
    }
    case FRAME.cancelled: {
      const executed = reader.byte();
      const ranges = decodeRanges(reader);
      return executed > 1
        ? undefined
        : ranges && { type: 'cancelled', executed: executed === 1 ? 'yes' : 'no', ranges };
    }
    case FRAME.working:
      return { type: 'working', callId: reader.varint() };
    case FRAME.grant:
      return { type: 'grant', callId: reader.varint(), limit: reader.varint() };
    case FRAME.unknown:
      return { type: 'unknown', callId: reader.varint() };
    case FRAME.pathChallenge:
      return { type: 'path-challenge', token: reader.uint64() };
    case FRAME.pathResponse:
      return { type: 'path-response', token: reader.uint64() };
    default:
      return undefined;
  }
}

function decodeAck(reader: Reader): AckFrame | undefined {
  const largest = reader.varint();
  const delayUs = reader.varint();
  const count = reader.varint();
  if (count >= MAX_RANGES_PER_FRAME) return undefined;
  let last = largest;
  let first = last - reader.varint();
  if (first < 0) return undefined;
  const ranges: IdRange[] = [[first, last]];
  for (let i = 0; i < count; i++) {
    // As in RFC 9000, section 19.3.1: a gap of g stands for g + 1 missing numbers.
    last = first - reader.varint() - 2;
    first = last - reader.varint();
    if (first < 0 || reader.failed) return undefined;
    ranges.push([first, last]);
  }
  return { type: 'ack', ranges, delayUs };
}

function decodeRanges(reader: Reader): IdRange[] | undefined {
  const count = reader.varint();
  if (count === 0 || count > MAX_RANGES_PER_FRAME) return undefined;
  const ranges: IdRange[] = [];
  let previousEnd = 0;
  for (let i = 0; i < count; i++) {
    const first = previousEnd + reader.varint();
    const last = first + reader.varint();
    if (last >= Number.MAX_SAFE_INTEGER || reader.failed) return undefined;
    ranges.push([first, last]);
    previousEnd = last + 1;
  }
  return ranges;
}

/** `ranges` descending and disjoint with gaps between them, at least one. Returns the offset behind. */
export function writeAck(
  target: Uint8Array,
  at: number,
  ranges: readonly IdRange[],
  delayUs: number,
): number {
  const [first, last] = ranges[0]!;
  target[at++] = FRAME.ack;
  at = writeVarint(target, at, last);
  at = writeVarint(target, at, delayUs);
  at = writeVarint(target, at, ranges.length - 1);
  at = writeVarint(target, at, last - first);
  let below = first;
  for (let i = 1; i < ranges.length; i++) {
    const [start, end] = ranges[i]!;
    at = writeVarint(target, at, below - end - 2);
    at = writeVarint(target, at, end - start);
    below = start;
  }
  return at;
}

/** Most bytes that {@link writeAck} may need for so many ranges. */
export function ackBytesMax(rangeCount: number): number {
  return 1 + 8 + 8 + 2 + 16 * rangeCount;
}

export const HELLO_BYTES_MAX = 33;

export function writeHello(target: Uint8Array, at: number, hello: Omit<HelloFrame, 'type'>): number {
  target[at++] = FRAME.hello;
  at = writeUint64(target, at, hello.epoch);
  at = writeUint64(target, at, hello.knownEpoch);
  at = writeVarint(target, at, hello.maxDatagramBytes);
  return writeVarint(target, at, hello.initialGrantBytes);
}

/** Ascending disjoint ranges, at least one and at most {@link MAX_RANGES_PER_FRAME}. */
export function writeCancel(target: Uint8Array, at: number, ranges: readonly IdRange[]): number {
  target[at] = FRAME.cancel;
  return writeRanges(target, at + 1, ranges);
}

/** Ranges as for {@link writeCancel}. */
export function writeCancelled(
  target: Uint8Array,
  at: number,
  executed: 'no' | 'yes',
  ranges: readonly IdRange[],
): number {
  target[at] = FRAME.cancelled;
  target[at + 1] = executed === 'yes' ? 1 : 0;
  return writeRanges(target, at + 2, ranges);
}

/** Most bytes that {@link writeCancel} or {@link writeCancelled} may need for so many ranges. */
export function cancelBytesMax(rangeCount: number): number {
  return 4 + 16 * rangeCount;
}

function writeRanges(target: Uint8Array, at: number, ranges: readonly IdRange[]): number {
  at = writeVarint(target, at, ranges.length);
  let previousEnd = 0;
  for (const [first, last] of ranges) {
    at = writeVarint(target, at, first - previousEnd);
    at = writeVarint(target, at, last - first);
    previousEnd = last + 1;
  }
  return at;
}

/** Bytes of a fragment frame besides its data, where the data ends before `total`. */
export function fragmentOverheadBytes(
  callId: number,
  offset: number,
  total: number,
  startBytes: number,
): number {
  const position = offset === 0 ? startBytes : varintBytes(offset);
  return 1 + varintBytes(callId) + position + 2 * varintBytes(total);
}

/** A piece of a request or response that is not its start. */
export function writeFragment(
  target: Uint8Array,
  at: number,
  type: typeof FRAME.request | typeof FRAME.response,
  callId: number,
  offset: number,
  message: Uint8Array,
  end: number,
): number {
  target[at++] = type;
  at = writeVarint(target, at, callId);
  at = writeVarint(target, at, offset);
  return writeData(target, at, message, offset, end);
}

/** Bytes of REQUEST-START that depend on its own fields: see {@link fragmentOverheadBytes}. */
export function requestStartBytes(behind: number, remainingMs: number): number {
  return varintBytes(behind) + varintBytes(remainingMs);
}

export function writeRequestStart(
  target: Uint8Array,
  at: number,
  callId: number,
  behind: number,
  remainingMs: number,
  message: Uint8Array,
  end: number,
): number {
  target[at++] = FRAME.requestStart;
  at = writeVarint(target, at, callId);
  at = writeVarint(target, at, behind);
  at = writeVarint(target, at, remainingMs);
  return writeData(target, at, message, 0, end);
}

/** Bytes of RESPONSE-START that depend on its own fields: see {@link fragmentOverheadBytes}. */
export function responseStartBytes(heldUs: number): number {
  return 1 + varintBytes(heldUs);
}

export function writeResponseStart(
  target: Uint8Array,
  at: number,
  callId: number,
  status: number,
  heldUs: number,
  message: Uint8Array,
  end: number,
): number {
  target[at++] = FRAME.responseStart;
  at = writeVarint(target, at, callId);
  target[at++] = status;
  at = writeVarint(target, at, heldUs);
  return writeData(target, at, message, 0, end);
}

function writeData(target: Uint8Array, at: number, message: Uint8Array, offset: number, end: number): number {
  at = writeVarint(target, at, message.length);
  at = writeVarint(target, at, end - offset);
  target.set(offset === 0 && end === message.length ? message : message.subarray(offset, end), at);
  return at + end - offset;
}

export const CALL_FRAME_BYTES_MAX = 9;

/** WORKING or UNKNOWN: a type and a call id. */
export function writeCallFrame(
  target: Uint8Array,
  at: number,
  type: typeof FRAME.working | typeof FRAME.unknown,
  callId: number,
): number {
  target[at] = type;
  return writeVarint(target, at + 1, callId);
}

export const GRANT_BYTES_MAX = 17;

export function writeGrant(target: Uint8Array, at: number, callId: number, limit: number): number {
  target[at] = FRAME.grant;
  return writeVarint(target, writeVarint(target, at + 1, callId), limit);
}

export const PATH_FRAME_BYTES = 9;

export function writePathFrame(
  target: Uint8Array,
  at: number,
  type: typeof FRAME.pathChallenge | typeof FRAME.pathResponse,
  token: number,
): number {
  target[at] = type;
  return writeUint64(target, at + 1, token);
}
