// Bodies of Tahoe-LAFS's HTTP storage protocol: CBOR with sets (tag 258), maps with integer or byte-string keys, and
// integers beyond 2^32. One configured codec; what it decodes comes from the network and is looked over first.

import { Decoder, Encoder } from 'cbor-x';
import { faultOfCbor } from '../base/cbor-check.ts';

/** Maps stay `Map`s, whatever their keys; sets are `Set`s; 64-bit integers are numbers. */
const OPTIONS = {
  useRecords: false,
  mapsAsObjects: false,
  int64AsNumber: true,
  tagUint8Array: false,
} as const;

const encoder = new Encoder(OPTIONS);
const decoder = new Decoder(OPTIONS);

/** Encodes a body. Whole numbers beyond 32 bits have to be given by {@link integer}. */
export function encodeCbor(value: unknown): Uint8Array {
  return encoder.encode(value);
}

/** Decodes a body. @throws TypeError when it is malformed or more than plain data. */
export function decodeCbor(bytes: Uint8Array): unknown {
  const fault = faultOfCbor(bytes);
  if (fault !== undefined) throw new TypeError(`its body is no plain CBOR: ${fault}`);
  return decoder.decode(bytes);
}

/** A whole number as cbor-x writes one: from 2^32 up it would make a float of it, which schemas refuse. */
export function integer(value: number): number | bigint {
  return value < 2 ** 32 ? value : BigInt(value);
}

/** The value of a field of a decoded map; undefined for what is no map or has no such field. */
export function field(value: unknown, key: string): unknown {
  if (!(value instanceof Map)) return undefined;
  if (value.has(key)) return value.get(key);
  // Keys that are byte strings are equal by their bytes only.
  for (const [candidate, found] of value) {
    if (candidate instanceof Uint8Array && Buffer.from(candidate).toString('latin1') === key) return found;
  }
  return undefined;
}
