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
  return encoder.encode(value);
}

/** Decodes a body; `Uint8Array`s in it are views of `bytes`. @throws Error when it is malformed or no plain value. */
export function decodeBody(bytes: Uint8Array): unknown {
  if (bytes.length === 0) return undefined;
  const fault = faultOfCbor(bytes);
  if (fault !== undefined) throw new TypeError(fault);
  return decoder.decode(bytes);
}
