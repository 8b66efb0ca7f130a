// The inside of a connection. Each side begins with an 8-byte preface; then frames follow:
//
//   frame    = length (3 bytes, big-endian, of the payload) type (1 byte) payload
//   request  = callId remainingMs total data      remainingMs 0: the caller waits for ever
//   response = callId status heldUs total data
//   more     = callId data                        the next piece of the request, or response, of that id
//   cancel   = callId
//   ping, pong: empty
//
// Numbers are variable-length integers (wire/varint.ts), `data` is the rest of the payload. A message (wire/message.ts)
// of `total` bytes is the data of one request or response and of those `more` that complete it. Call ids count the
// requests of a connection in the order of their first frames. Whoever dialled sends requests, `cancel` and `ping`;
// who accepted sends responses and `pong`.
//
// Decoding gives values or `undefined`, never an exception.

import { Reader, writeVarint } from '../wire/varint.ts';

/** `nvmtcp`, a zero, and the version. */
export const PREFACE: Uint8Array = Uint8Array.of(0x6e, 0x76, 0x6d, 0x74, 0x63, 0x70, 0x00, 0x01);

export const FRAME_HEADER_BYTES = 4;

/** Most bytes that a frame has before its data: header, call id, status, two numbers. */
export const FRAME_OVERHEAD_MAX_BYTES: number = FRAME_HEADER_BYTES + 8 + 1 + 8 + 8;

/** No frame has a longer payload; a longer one is somebody's attempt to make us wait for it. */
export const PAYLOAD_MAX_BYTES: number = 64 * 1024 + FRAME_OVERHEAD_MAX_BYTES;

const TYPE = { request: 1, response: 2, more: 3, cancel: 4, ping: 5, pong: 6 } as const;

/** A frame as received. `data` is a view. */
export type Frame =
  | {
      readonly type: 'request';
      readonly callId: number;
      /** 0: for ever. */
      readonly remainingMs: number;
      readonly total: number;
      readonly data: Uint8Array;
    }
  | {
      readonly type: 'response';
      readonly callId: number;
      /** `STATUS` of wire/frame.ts. */
      readonly status: number;
      /** Microseconds from the last byte of the request to the answer. */
      readonly heldUs: number;
      readonly total: number;
      readonly data: Uint8Array;
    }
  | { readonly type: 'more'; readonly callId: number; readonly data: Uint8Array }
  | { readonly type: 'cancel'; readonly callId: number }
  | { readonly type: 'ping' }
  | { readonly type: 'pong' };

/** Length of the payload of the frame that begins at `at`; all of its header must be there. */
export function payloadBytes(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
}

/** Decodes one whole frame, header included. */
export function decodeFrame(bytes: Uint8Array): Frame | undefined {
  const reader = new Reader(bytes, FRAME_HEADER_BYTES);
  switch (bytes[FRAME_HEADER_BYTES - 1]) {
    case TYPE.request: {
      const callId = reader.varint();
      const remainingMs = reader.varint();
      const total = reader.varint();
      const data = restOf(reader);
      return reader.failed || !isFirstPiece(data, total)
        ? undefined
        : { type: 'request', callId, remainingMs, total, data };
    }
    case TYPE.response: {
      const callId = reader.varint();
      const status = reader.byte();
      const heldUs = reader.varint();
      const total = reader.varint();
      const data = restOf(reader);
      return reader.failed || !isFirstPiece(data, total)
        ? undefined
        : { type: 'response', callId, status, heldUs, total, data };
    }
    case TYPE.more: {
      const callId = reader.varint();
      const data = restOf(reader);
      return reader.failed || data.length === 0 ? undefined : { type: 'more', callId, data };
    }
    case TYPE.cancel: {
      const callId = reader.varint();
      return reader.failed || !reader.atEnd ? undefined : { type: 'cancel', callId };
    }
    case TYPE.ping:
      return reader.atEnd ? { type: 'ping' } : undefined;
    case TYPE.pong:
      return reader.atEnd ? { type: 'pong' } : undefined;
    default:
      return undefined;
  }
}

function restOf(reader: Reader): Uint8Array {
  return reader.take(reader.bytes.length - reader.at);
}

/** Every frame brings a message forward: only an empty one has an empty piece. */
function isFirstPiece(data: Uint8Array, total: number): boolean {
  return data.length <= total && (data.length > 0 || total === 0);
}

// Writers put a frame's header and numbers at `at` of the target, which has FRAME_OVERHEAD_MAX_BYTES of room, and
// return the offset behind; `dataBytes` of data have to follow.

export function writeRequest(
  target: Uint8Array,
  at: number,
  callId: number,
  remainingMs: number,
  total: number,
  dataBytes: number,
): number {
  let end = writeVarint(target, at + FRAME_HEADER_BYTES, callId);
  end = writeVarint(target, end, remainingMs);
  end = writeVarint(target, end, total);
  return writeHeader(target, at, TYPE.request, end, dataBytes);
}

export function writeResponse(
  target: Uint8Array,
  at: number,
  callId: number,
  status: number,
  heldUs: number,
  total: number,
  dataBytes: number,
): number {
  let end = writeVarint(target, at + FRAME_HEADER_BYTES, callId);
  target[end++] = status;
  end = writeVarint(target, end, heldUs);
  end = writeVarint(target, end, total);
  return writeHeader(target, at, TYPE.response, end, dataBytes);
}

export function writeMore(target: Uint8Array, at: number, callId: number, dataBytes: number): number {
  const end = writeVarint(target, at + FRAME_HEADER_BYTES, callId);
  return writeHeader(target, at, TYPE.more, end, dataBytes);
}

export function cancelFrame(callId: number): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + 8);
  const end = writeVarint(frame, FRAME_HEADER_BYTES, callId);
  return frame.subarray(0, writeHeader(frame, 0, TYPE.cancel, end, 0));
}

export const PING_FRAME: Uint8Array = Uint8Array.of(0, 0, 0, TYPE.ping);
export const PONG_FRAME: Uint8Array = Uint8Array.of(0, 0, 0, TYPE.pong);

function writeHeader(target: Uint8Array, at: number, type: number, end: number, dataBytes: number): number {
  const length = end - at - FRAME_HEADER_BYTES + dataBytes;
  target[at] = length >>> 16;
  target[at + 1] = length >>> 8;
  target[at + 2] = length;
  target[at + 3] = type;
  return end;
}
