// Bodies of requests and answers: CBOR values. One configured codec for every transport; what it decodes comes
// from the network, so that sizes are bounded and nothing but values comes out.

import { Decoder, Encoder, setSizeLimits } from 'cbor-x';

// A length in a body is only a claim: an array of 2^31 elements must not be allocated before it is read.
setSizeLimits({ maxArraySize: 1_000_000, maxMapSize: 1_000_000, maxObjectSize: 1_000_000 });

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

/** Decodes a body; `Uint8Array`s in it are views of `bytes`. @throws Error when it is malformed. */
export function decodeBody(bytes: Uint8Array): unknown {
  // One null is what a handler without a result sends.
  return bytes.length === 0 ? undefined : decoder.decode(bytes);
}
