// Base64url without padding (RFC 4648, section 5), as keys are written in addresses. Decoding is strict, so that
// every byte string has exactly one text.

/** The text of `bytes`. */
export function base64urlEncode(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');
}

/** The bytes of `text`, or undefined when it is not what {@link base64urlEncode} writes. */
export function base64urlDecode(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(Buffer.from(text, 'base64url'));
  return base64urlEncode(bytes) === text ? bytes : undefined;
}
