// Base32 as Tahoe-LAFS writes it: RFC 4648 section 6, lower case, without padding.
// Decoding is strict, so that every byte string has exactly one text.

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';
const VALUE_OF = new Map([...ALPHABET].map((letter, value) => [letter, value]));

/** The text of `bytes`; empty for none. */
export function base32Encode(bytes: Uint8Array): string {
  let text = '';
  let pending = 0;
  let pendingBits = 0;
  for (const byte of bytes) {
    pending = (pending << 8) | byte;
    pendingBits += 8;
    while (pendingBits >= 5) {
      pendingBits -= 5;
      text += ALPHABET[(pending >> pendingBits) & 31];
    }
    pending &= (1 << pendingBits) - 1;
  }
  if (pendingBits > 0) text += ALPHABET[(pending << (5 - pendingBits)) & 31];
  return text;
}

/**
 * The bytes of `text`, or undefined when it is not what {@link base32Encode} writes: another letter, an
 * impossible length, or bits left over that are not zero.
 */
export function base32Decode(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8));
  let pending = 0;
  let pendingBits = 0;
  let at = 0;
  for (const letter of text) {
    const value = VALUE_OF.get(letter);
    if (value === undefined) return undefined;
    pending = (pending << 5) | value;
    pendingBits += 5;
    if (pendingBits >= 8) {
      pendingBits -= 8;
      bytes[at++] = pending >> pendingBits;
      pending &= (1 << pendingBits) - 1;
    }
  }
  // Five bits or more left over would be a letter that carries nothing.
  return pending === 0 && pendingBits < 5 ? bytes : undefined;
}
