// AES-128-CTR over a file, entered at any byte: segments are encrypted and decrypted each on its own.

import { createCipheriv } from 'node:crypto';

const AES_BLOCK_BYTES = 16;

/** Encrypts or, which is the same in counter mode, decrypts bytes that stand at `offset` of the file. */
export function applyKeystream(key: Uint8Array, offset: number, bytes: Uint8Array): Uint8Array {
  const counter = new Uint8Array(AES_BLOCK_BYTES);
  const skippedBytes = offset % AES_BLOCK_BYTES;
  new DataView(counter.buffer).setBigUint64(8, BigInt((offset - skippedBytes) / AES_BLOCK_BYTES));
  const cipher = createCipheriv('aes-128-ctr', key, counter);
  if (skippedBytes > 0) cipher.update(new Uint8Array(skippedBytes));
  return cipher.update(bytes);
}
