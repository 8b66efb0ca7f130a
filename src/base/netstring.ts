// Netstrings: `length:bytes,` with a decimal length. Tagged hashes and the records of Tahoe-LAFS are made of them.

const COLON = 0x3a;
const COMMA = 0x2c;
const ZERO = 0x30;
const NINE = 0x39;
/** Lengths of 2^53 and above have 16 digits or more; nothing of ours is that long. */
const LENGTH_DIGITS_MAX = 15;

/** The netstring of `value`; a string stands for its UTF-8 bytes. */
export function netstring(value: Uint8Array | string): Uint8Array {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  const prefix = Buffer.from(`${bytes.length}:`);
  const whole = new Uint8Array(prefix.length + bytes.length + 1);
  whole.set(prefix, 0);
  whole.set(bytes, prefix.length);
  whole[whole.length - 1] = COMMA;
  return whole;
}

/**
 * Reads the netstring that begins at `offset`: its value (a view of `bytes`) and where it ends, or undefined
 * when there is none: no length, one with a leading zero, one that reaches past the end, no comma.
 */
export function readNetstring(
  bytes: Uint8Array,
  offset: number,
): { readonly value: Uint8Array; readonly end: number } | undefined {
  let length = 0;
  let at = offset;
  for (; at < bytes.length && bytes[at] !== COLON; at++) {
    const digit = bytes[at]!;
    if (digit < ZERO || digit > NINE || at - offset === LENGTH_DIGITS_MAX) return undefined;
    if (at > offset && length === 0) return undefined;
    length = length * 10 + (digit - ZERO);
  }
  const start = at + 1;
  const end = start + length + 1;
  if (at === offset || end > bytes.length || bytes[end - 1] !== COMMA) return undefined;
  return { value: bytes.subarray(start, end - 1), end };
}
