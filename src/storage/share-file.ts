// Reads the share data out of a finished share's file, and reads and writes its leases. Finding and opening the file is
// left to others, and so is seeing to it that one at a time writes leases.

import { timingSafeEqual } from 'node:crypto';
import type { OpenFile } from './files.ts';
import {
  type Container,
  decodeHeader,
  decodeLease,
  encodeLease,
  encodeLeaseCount,
  HEADER_BYTES,
  LEASE_BYTES,
  type Lease,
  storedSecret,
} from './share-container.ts';

/** Leases of one share, at most: each client has one. Keeps a share from growing without end. */
const LEASES_MAX = 1000;

/**
 * Bytes [offset, offset + length) of the share data: fewer at its end, never a lease. Undefined when the file
 * is no container of an immutable share. @throws the file system's errors.
 */
export async function readShareData(
  file: OpenFile,
  offset: number,
  length: number,
): Promise<Uint8Array | undefined> {
  const container = await readContainer(file);
  if (container === undefined) return undefined;
  const data = uninitialized(Math.max(0, Math.min(length, container.dataBytes - offset)));
  if (data.length === 0) return data;
  return data.subarray(0, await file.read(data, HEADER_BYTES + offset));
}

/**
 * When the last lease of a share ends, in seconds since 1970; undefined without a lease. `'no share'` when the file is
 * no container of an immutable share. @throws the file system's errors.
 */
export async function lastExpiration(file: OpenFile): Promise<number | 'no share' | undefined> {
  const container = await readContainer(file);
  if (container === undefined) return 'no share';
  let last: number | undefined;
  for await (const { expiresAtUnixSeconds } of leasesOf(file, container)) {
    last = Math.max(last ?? 0, expiresAtUnixSeconds);
  }
  return last;
}

/**
 * Adds a lease, or lets the one with the same renew secret last longer (never shorter); resolves when that is on the
 * disk. A crash in between leaves the share as it was. Of what is no container, changes nothing.
 * @returns `'full'` when the share has {@link LEASES_MAX} leases of others already.
 * @throws the file system's errors.
 */
export async function putLease(file: OpenFile, lease: Lease): Promise<'done' | 'full'> {
  const container = await readContainer(file);
  if (container === undefined) return 'done';
  const { version, leaseCount } = container;
  const record = encodeLease(lease, version);
  const secret = storedSecret(lease.renewSecret, version);
  for await (const known of leasesOf(file, container)) {
    if (!timingSafeEqual(known.storedRenewSecret, secret)) continue;
    if (known.expiresAtUnixSeconds >= lease.expiresAtUnixSeconds) return 'done';
    await file.write(record, known.offset);
    await file.sync();
    return 'done';
  }
  if (leaseCount >= LEASES_MAX) return 'full';
  await file.write(record, leaseOffset(container, leaseCount));
  await file.sync();
  // Counted only when it is there: else a crash would leave a lease of what the disk had before.
  const count = encodeLeaseCount(leaseCount + 1);
  await file.write(count.bytes, count.offset);
  await file.sync();
  return 'done';
}

async function readContainer(file: OpenFile): Promise<Container | undefined> {
  const header = new Uint8Array(HEADER_BYTES);
  const [headerBytes, fileBytes] = await Promise.all([file.read(header, 0), file.sizeBytes()]);
  return decodeHeader(header.subarray(0, headerBytes), fileBytes);
}

/** A lease as its file has it, and where. */
interface StoredLease extends ReturnType<typeof decodeLease> {
  readonly offset: number;
}

/** All leases, some hundred read at a time: what a foreign server left behind may be long. */
async function* leasesOf(file: OpenFile, container: Container): AsyncGenerator<StoredLease, void, undefined> {
  for (let first = 0; first < container.leaseCount; first += LEASES_READ_AT_ONCE) {
    const records = new Uint8Array(Math.min(LEASES_READ_AT_ONCE, container.leaseCount - first) * LEASE_BYTES);
    const readBytes = await file.read(records, leaseOffset(container, first));
    for (let at = 0; at + LEASE_BYTES <= readBytes; at += LEASE_BYTES) {
      const offset = leaseOffset(container, first) + at;
      yield { ...decodeLease(records.subarray(at, at + LEASE_BYTES)), offset };
    }
  }
}

const LEASES_READ_AT_ONCE = 256;

function leaseOffset({ dataBytes }: Container, index: number): number {
  return HEADER_BYTES + dataBytes + index * LEASE_BYTES;
}

/** Not filled with zeros first: a read fills it, and what it does not fill is cut off. */
function uninitialized(sizeBytes: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(sizeBytes).buffer, 0, sizeBytes);
}
