// Looks over CBOR that a stranger sent, before a decoder makes values of it: is it one item, plain data, and small
// enough in depth and count that decoding costs what its bytes let expect? It makes no values itself.
//
// A decoder alone is not enough. cbor-x takes quadratic time over a bignum (100 KB: two seconds), makes RegExp and
// Error objects and cyclic arrays of tags, and 16 million objects of as many bytes.

/** Items (numbers, texts, arrays, keys, …) in one body. */
export const CBOR_ITEMS_MAX = 1_000_000;

/** Arrays, maps and tags inside each other. */
export const CBOR_DEPTH_MAX = 64;

/** Bytes of an integer beyond 64 bits. */
const BIGNUM_BYTES_MAX = 64;

/** RFC 8949, 3.1: the upper three bits of an item's first byte. */
const MAJOR = { bytes: 2, text: 3, array: 4, map: 5, tag: 6, simple: 7 } as const;

/** Dates, big integers, typed arrays (RFC 8746), sets, maps with keys of any type: values, not instructions. */
function isTagAllowed(tag: number): boolean {
  return (tag >= 1 && tag <= 3) || (tag >= 64 && tag <= 87) || tag === 258 || tag === 259;
}

/**
 * What is wrong with `bytes` as one plain item of definite length (RFC 8949); `undefined` when nothing is. Time is
 * proportional to the number of items, whatever lengths they claim.
 */
export function faultOfCbor(bytes: Uint8Array): string | undefined {
  /** By depth: how many items are still to come there. */
  const left = [1];
  let at = 0;
  let items = 0;
  let tagOfNext = -1;
  while (left.length > 0) {
    const depth = left.length - 1;
    if (left[depth] === 0) {
      left.pop();
      continue;
    }
    left[depth]!--;
    if (++items > CBOR_ITEMS_MAX) return `more than ${CBOR_ITEMS_MAX} items`;
    if (at >= bytes.length) return 'it ends too early';

    const first = bytes[at++]!;
    const major = first >>> 5;
    const info = first & 0x1f;
    if (info > 27) return 'an item of indefinite length, or of none';
    const argumentBytes = info < 24 ? 0 : 1 << (info - 24);
    if (at + argumentBytes > bytes.length) return 'it ends too early';
    let argument = info;
    if (argumentBytes > 0) {
      argument = 0;
      for (let end = at + argumentBytes; at < end; at++) argument = argument * 256 + bytes[at]!;
    }

    const tag = tagOfNext;
    tagOfNext = -1;
    switch (major) {
      case MAJOR.bytes:
      case MAJOR.text:
        if (argument > bytes.length - at) return 'it ends too early';
        if ((tag === 2 || tag === 3) && argument > BIGNUM_BYTES_MAX) return 'an integer that is too large';
        at += argument;
        break;
      case MAJOR.array:
      case MAJOR.map:
      case MAJOR.tag: {
        if (left.length > CBOR_DEPTH_MAX) return `more than ${CBOR_DEPTH_MAX} levels`;
        if (major === MAJOR.tag && !isTagAllowed(argument)) return `the tag ${argument}`;
        if (major === MAJOR.tag) tagOfNext = argument;
        left.push(major === MAJOR.tag ? 1 : major === MAJOR.map ? 2 * argument : argument);
        break;
      }
      default:
        // Integers, floats, simple values: nothing follows.
        break;
    }
    if ((tag === 2 || tag === 3) && major !== MAJOR.bytes) return 'a big integer that is not made of bytes';
  }
  return at === bytes.length ? undefined : 'more bytes after the end';
}
