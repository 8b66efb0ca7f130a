// Bodies of requests and answers: CBOR values. One configured codec for every transport; what it decodes comes
// from the network, and is looked over first (base/cbor-check.ts), so that nothing but values comes out.

import { Decoder, Encoder } from 'cbor-x';
import { faultOfCbor } from '../base/cbor-check.ts';

/**
 * `Uint8Array`s stay bytes without a tag, records are off (both sides must need no shared state), integers are
 * exact up to 2^53 and BigInt beyond.
 */
const OPTIONS = { useRecords: false, tagUint8Array: false } as const;

const encoder = new Encoder(OPTIONS);
const decoder = new Decoder(OPTIONS);

/** Encodes a value. @throws TypeError for what CBOR cannot hold (functions, symbols). */
export function encodeBody(value: unknown): Uint8Array {
  if (typeof value === 'function' || typeof value === 'symbol') {
    throw new TypeError(`a ${typeof value} cannot be sent as a body`);
  }
  return value instanceof Uint8Array ? encodeBytes(value) : encoder.encode(value);
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

/** Major type 2, and how many bytes of length follow the first. */
const BYTES_HEAD = { none: 0x40, one: 0x58, two: 0x59, four: 0x5a } as const;
/** Lengths below this stand in the first byte. */
const INLINE_LENGTHS = 24;

function encodeBytes(bytes: Uint8Array): Uint8Array {
  const { length } = bytes;
  const headBytes = length < INLINE_LENGTHS ? 1 : length < 0x100 ? 2 : length < 0x10000 ? 3 : 5;
  const encoded = Buffer.allocUnsafe(headBytes + length);
  switch (headBytes) {
    case 1:
      encoded[0] = BYTES_HEAD.none | length;
      break;
    case 2:
      encoded[0] = BYTES_HEAD.one;
      encoded[1] = length;
      break;
    case 3:
      encoded[0] = BYTES_HEAD.two;
      encoded.writeUInt16BE(length, 1);
      break;
    default:
      encoded[0] = BYTES_HEAD.four;
      encoded.writeUInt32BE(length, 1);
  }
  encoded.set(bytes, headBytes);
  return encoded;
}

/** What {@link encodeBytes} was given, as a view; `undefined` for anything else, malformed bytes included. */
function decodeBytes(encoded: Uint8Array): Uint8Array | undefined {
  const first = encoded[0]! - BYTES_HEAD.none;
  if (first < 0 || first > BYTES_HEAD.four - BYTES_HEAD.none) return undefined;
  const lengthBytes = first < INLINE_LENGTHS ? 0 : 1 << (first - INLINE_LENGTHS);
  if (encoded.length < 1 + lengthBytes) return undefined;
  let length = lengthBytes === 0 ? first : 0;
  for (let at = 1; at <= lengthBytes; at++) length = length * 256 + encoded[at]!;
  return encoded.length === 1 + lengthBytes + length ? encoded.subarray(1 + lengthBytes) : undefined;
}
