// Reads the share data out of a finished share's file. Finding and opening the file is left to others.

import type { OpenFile } from './files.ts';
import { dataLength, HEADER_BYTES } from './share-container.ts';

/**
 * Bytes [offset, offset + length) of the share data: fewer at its end, never a lease. Undefined when the file
 * is no container of an immutable share. @throws the file system's errors.
 */
export async function readShareData(
  file: OpenFile,
  offset: number,
  length: number,
): Promise<Uint8Array | undefined> {
  const header = new Uint8Array(HEADER_BYTES);
  const [headerBytes, wholeBytes] = await Promise.all([file.read(header, 0), file.sizeBytes()]);
  const dataBytes = dataLength(header.subarray(0, headerBytes), wholeBytes);
  if (dataBytes === undefined) return undefined;
  const data = uninitialized(Math.max(0, Math.min(length, dataBytes - offset)));
  if (data.length === 0) return data;
  return data.subarray(0, await file.read(data, HEADER_BYTES + offset));
}

/** Not filled with zeros first: a read fills it, and what it does not fill is cut off. */
function uninitialized(sizeBytes: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(sizeBytes).buffer, 0, sizeBytes);
}
