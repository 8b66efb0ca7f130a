// What the arguments of every storage operation must look like, whoever sent them. Shared by the disk server
// and by the methods served to others; whether a share or an upload exists is not asked here.

import { type AllocateRequest, type LeaseSecrets, StorageError, type UploadRef } from './storage-server.ts';

/** Largest read at once: the answer must fit into one message of 16 MiB, with its envelope. */
export const READ_BYTES_MAX: number = 16 * 1024 * 1024 - 1024;
/** Largest write at once: one message of 16 MiB, with its envelope and the other fields. */
export const WRITE_BYTES_MAX: number = 16 * 1024 * 1024 - 256;
/** Tahoe-LAFS numbers the shares of a file from 0 to 255. */
const SHARE_NUMBER_MAX = 255;

/** Longest reason of an advice of corruption, in bytes of UTF-8: as Tahoe-LAFS. */
export const REASON_BYTES_MAX = 32_765;

const STORAGE_INDEX_BYTES = 16;
const SECRET_BYTES = 32;

/** @throws StorageError BAD_REQUEST, as all checks here. */
export function checkStorageIndex(value: unknown): Uint8Array {
  return checkBytes(value, STORAGE_INDEX_BYTES, 'storage index');
}

export function checkShareNumber(value: unknown): number {
  if (!isShareNumber(value)) refuse(`a share number is an integer from 0 to ${SHARE_NUMBER_MAX}`);
  return value;
}

export function checkUploadRef(upload: { readonly [Field in keyof UploadRef]: unknown }): UploadRef {
  return {
    storageIndex: checkStorageIndex(upload.storageIndex),
    shareNumber: checkShareNumber(upload.shareNumber),
    uploadSecret: checkBytes(upload.uploadSecret, SECRET_BYTES, 'upload secret'),
  };
}

/** Gives the share numbers ascending and each once. The lease is checked apart: {@link checkLease}. */
export function checkAllocateRequest(
  request: {
    readonly [Field in Exclude<keyof AllocateRequest, 'lease'>]: unknown;
  },
): Omit<AllocateRequest, 'lease'> {
  const { shareNumbers } = request;
  if (!Array.isArray(shareNumbers) || shareNumbers.length > SHARE_NUMBER_MAX + 1) {
    refuse(`share numbers are a list of at most ${SHARE_NUMBER_MAX + 1}`);
  }
  return {
    storageIndex: checkStorageIndex(request.storageIndex),
    shareNumbers: [...new Set(shareNumbers.map(checkShareNumber))].sort((a, b) => a - b),
    allocatedSize: checkCount(request.allocatedSize, 'allocated size'),
    uploadSecret: checkBytes(request.uploadSecret, SECRET_BYTES, 'upload secret'),
  };
}

export function checkOffset(value: unknown): number {
  return checkCount(value, 'offset');
}

export function checkReadLength(value: unknown): number {
  const length = checkCount(value, 'length');
  if (length > READ_BYTES_MAX) refuse(`at most ${READ_BYTES_MAX} bytes are read at once, not ${length}`);
  return length;
}

export function checkWrittenBytes(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) refuse('what is written must be bytes');
  if (value.length > WRITE_BYTES_MAX) {
    refuse(`at most ${WRITE_BYTES_MAX} bytes are written at once, not ${value.length}`);
  }
  return value;
}

/** True for an integer from 0 to 255. */
export function isShareNumber(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= SHARE_NUMBER_MAX;
}

export function checkLease({
  renewSecret,
  cancelSecret,
}: {
  readonly [Field in keyof LeaseSecrets]: unknown;
}): LeaseSecrets {
  return {
    renewSecret: checkBytes(renewSecret, SECRET_BYTES, 'renew secret'),
    cancelSecret: checkBytes(cancelSecret, SECRET_BYTES, 'cancel secret'),
  };
}

export function checkReason(value: unknown): string {
  if (typeof value !== 'string' || Buffer.byteLength(value) > REASON_BYTES_MAX) {
    refuse(`a reason is a text of at most ${REASON_BYTES_MAX} bytes`);
  }
  return value;
}

/** A number of bytes, or a place among them. */
function checkCount(value: unknown, what: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) {
    refuse(`the ${what} must be a whole number of bytes from 0 to 2^53 - 1`);
  }
  return value as number;
}

function checkBytes(value: unknown, sizeBytes: number, what: string): Uint8Array {
  if (!(value instanceof Uint8Array) || value.length !== sizeBytes) {
    refuse(`the ${what} must be ${sizeBytes} bytes`);
  }
  return value;
}

function refuse(reason: string): never {
  throw new StorageError('BAD_REQUEST', reason);
}
