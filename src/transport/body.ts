// Bodies of requests and answers: CBOR values. One configured codec for every transport; what it decodes comes
// from the network, and is looked over first (base/cbor-check.ts), so that nothing but values comes out.

import { Decoder, Encoder } from 'cbor-x';
import { concatBytes } from '../base/bytes.ts';
import { faultOfCbor } from '../base/cbor-check.ts';

/**
 * `Uint8Array`s stay bytes without a tag, records are off (both sides must need no shared state), integers are
 * exact up to 2^53 and BigInt beyond.
 */
const OPTIONS = { useRecords: false, tagUint8Array: false } as const;

const encoder = new Encoder(OPTIONS) as Encoder & { useBuffer(memory: Buffer): void };
const decoder = new Decoder(OPTIONS);

/**
 * A value in CBOR, in parts that follow each other. A part may be memory of the value itself: who keeps them beyond the
 * turn in which they were made, copies them.
 */
export type EncodedBody = readonly Uint8Array[];

/** Bytes of at least this length are parts by themselves: the encoder would copy them, into four times their room. */
const UNCOPIED_BYTES = 4096;

/** Encodes a value. @throws TypeError for what CBOR cannot hold (functions, symbols). */
export function encodeBody(value: unknown): EncodedBody {
  if (typeof value === 'function' || typeof value === 'symbol') {
    throw new TypeError(`a ${typeof value} cannot be sent as a body`);
  }
  if (value instanceof Uint8Array) return encodeBytes(value);
  if (!Array.isArray(value) || !value.some(isLong)) return [encodeAny(value)];
  const parts: Uint8Array[] = [headAndRoom(MAJOR.array, value.length, 0)];
  for (const item of value as unknown[]) {
    if (isLong(item)) parts.push(...encodeBytes(item));
    else parts.push(encodeAny(item));
  }
  return parts;
}

/**
 * The encoder writes what it encodes one behind the other into memory that it makes now and then, as much each time as the
 * largest value has ever needed. An answer that is kept keeps all of that: so it begins again with little.
 */
function encodeAny(value: unknown): Uint8Array {
  const encoded = encoder.encode(value);
  if (encoded.buffer.byteLength > ENCODER_BYTES) encoder.useBuffer(Buffer.allocUnsafeSlow(ENCODER_BYTES));
  return encoded;
}

/** As much as it begins with. */
const ENCODER_BYTES = 8192;

/** An encoded body in one, with memory of its own. */
export function joinBody(body: EncodedBody): Uint8Array {
  // A part that stands alone is never memory of the value itself.
  return body.length === 1 ? body[0]! : concatBytes(body);
}

/** Decodes a body; `Uint8Array`s in it are views of `bytes`. @throws Error when it is malformed or no plain value. */
export function decodeBody(bytes: Uint8Array): unknown {
  if (bytes.length === 0) return undefined;
  const plainBytes = decodeBytes(bytes);
  if (plainBytes !== undefined) return plainBytes;
  const fault = faultOfCbor(bytes);
  if (fault !== undefined) throw new TypeError(fault);
  return decoder.decode(bytes);
}

// Bodies that are bytes and nothing else are the most common ones: pieces of files, what others have encoded. They need
// only a head (RFC 8949, section 3.1), which takes a fraction of the time that encoder and decoder take.

/** Byte strings and arrays, in the upper three bits of their first byte. */
const MAJOR = { bytes: 0x40, array: 0x80 } as const;
/** Lengths below this stand in the first byte; from here on it tells how many bytes of length follow: 1, 2, 4. */
const INLINE_LENGTHS = 24;

function isLong(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array && value.length >= UNCOPIED_BYTES;
}

function encodeBytes(bytes: Uint8Array): EncodedBody {
  const { length } = bytes;
  if (length >= UNCOPIED_BYTES) return [headAndRoom(MAJOR.bytes, length, 0), bytes];
  const encoded = headAndRoom(MAJOR.bytes, length, length);
  encoded.set(bytes, encoded.length - length);
  return [encoded];
}

function headAndRoom(major: number, length: number, roomBytes: number): Buffer {
  const headBytes = length < INLINE_LENGTHS ? 1 : length < 0x100 ? 2 : length < 0x10000 ? 3 : 5;
  const encoded = Buffer.allocUnsafe(headBytes + roomBytes);
  switch (headBytes) {
    case 1:
      encoded[0] = major | length;
      break;
    case 2:
      encoded[0] = major | INLINE_LENGTHS;
      encoded[1] = length;
      break;
    case 3:
      encoded[0] = major | (INLINE_LENGTHS + 1);
      encoded.writeUInt16BE(length, 1);
      break;
    default:
      encoded[0] = major | (INLINE_LENGTHS + 2);
      encoded.writeUInt32BE(length, 1);
  }
  return encoded;
}

/** What {@link encodeBytes} was given, as a view; `undefined` for anything else, malformed bytes included. */
function decodeBytes(encoded: Uint8Array): Uint8Array | undefined {
  const first = encoded[0]! - MAJOR.bytes;
  if (first < 0 || first > INLINE_LENGTHS + 2) return undefined;
  const lengthBytes = first < INLINE_LENGTHS ? 0 : 1 << (first - INLINE_LENGTHS);
  if (encoded.length < 1 + lengthBytes) return undefined;
  let length = lengthBytes === 0 ? first : 0;
  for (let at = 1; at <= lengthBytes; at++) length = length * 256 + encoded[at]!;
  return encoded.length === 1 + lengthBytes + length ? encoded.subarray(1 + lengthBytes) : undefined;
}
