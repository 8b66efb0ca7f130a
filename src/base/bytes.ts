// Small helpers over byte arrays that several rooms need and the platform does not have.
// Text encodings stand beside them: base32.ts, netstring.ts.

/** Bytes of all parts together. */
export function totalBytes(parts: readonly Uint8Array[]): number {
  let sizeBytes = 0;
  for (const part of parts) sizeBytes += part.length;
  return sizeBytes;
}

/** One new array with the bytes of all parts, in order. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(totalBytes(parts));
  copyParts(parts, whole);
  return whole;
}

/** Writes all parts, in order, to the beginning of `target`. */
export function copyParts(parts: readonly Uint8Array[], target: Uint8Array): void {
  let at = 0;
  for (const part of parts) {
    target.set(part, at);
    at += part.length;
  }
}

/** Whether both hold the same bytes. Not in constant time: for hashes and public values, not for secrets. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
