// How a share lies in its file: Tahoe-LAFS's container of an immutable share. A header, the share data, leases.
// Pure functions over bytes; what the share data means is tahoe/'s affair.

import { crypto_generichash } from 'sodium-native';

/** `>LLL`: version, data length (low 32 bits), lease count. The share data follows. */
export const HEADER_BYTES = 12;
/** `>L32s32sL`: owner number, renew secret, cancel secret, expiration in seconds since 1970. */
export const LEASE_BYTES = 72;
/** Tahoe-LAFS's: a lease that is not renewed lasts for 31 days. */
export const LEASE_DURATION_SECONDS: number = 31 * 24 * 60 * 60;

const RENEW_SECRET_AT = 4;
const CANCEL_SECRET_AT = 36;
const EXPIRATION_AT = 68;

/**
 * How a container keeps the secrets of its leases: 1 in clear, 2 as their hashes, so that who reads the disk cannot
 * cancel. What is written is 2, as Tahoe-LAFS does since 1.17.
 */
export type ContainerVersion = 1 | 2;
export const WRITTEN_VERSION: ContainerVersion = 2;

/** A claim that a share shall be kept; the secrets are 32 bytes each. */
export interface Lease {
  readonly renewSecret: Uint8Array;
  readonly cancelSecret: Uint8Array;
  readonly expiresAtUnixSeconds: number;
}

/** What a header says, and what follows from it and from the size of the file. */
export interface Container {
  readonly version: ContainerVersion;
  /** Bytes of share data. */
  readonly dataBytes: number;
  readonly leaseCount: number;
}

/** The header of a container as this server writes it. */
export function encodeHeader(dataBytes: number, leaseCount: number): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  const view = new DataView(header.buffer);
  view.setUint32(0, WRITTEN_VERSION);
  view.setUint32(4, dataBytes % 2 ** 32);
  view.setUint32(8, leaseCount);
  return header;
}

/** Where the header keeps the number of leases, and its bytes. */
export function encodeLeaseCount(leaseCount: number): {
  readonly offset: number;
  readonly bytes: Uint8Array;
} {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, leaseCount);
  return { offset: 8, bytes };
}

/** One lease of owner number 0, the only one that Tahoe-LAFS uses for immutable shares of its clients. */
export function encodeLease(lease: Lease, version: ContainerVersion): Uint8Array {
  const bytes = new Uint8Array(LEASE_BYTES);
  bytes.set(storedSecret(lease.renewSecret, version), RENEW_SECRET_AT);
  bytes.set(storedSecret(lease.cancelSecret, version), CANCEL_SECRET_AT);
  new DataView(bytes.buffer).setUint32(EXPIRATION_AT, lease.expiresAtUnixSeconds);
  return bytes;
}

/** A record of a lease as it is in the file: {@link storedSecret} says what its secrets are. */
export function decodeLease(record: Uint8Array): {
  readonly storedRenewSecret: Uint8Array;
  readonly expiresAtUnixSeconds: number;
} {
  const view = new DataView(record.buffer, record.byteOffset, LEASE_BYTES);
  return {
    storedRenewSecret: record.subarray(RENEW_SECRET_AT, CANCEL_SECRET_AT),
    expiresAtUnixSeconds: view.getUint32(EXPIRATION_AT),
  };
}

/** What a container keeps of a secret: itself, or (version 2) its BLAKE2b of 32 bytes. */
export function storedSecret(secret: Uint8Array, version: ContainerVersion): Uint8Array {
  switch (version) {
    case 1:
      return secret;
    case 2: {
      const hash = new Uint8Array(secret.length);
      crypto_generichash(hash, secret);
      return hash;
    }
    default:
      return version satisfies never;
  }
}

/**
 * Reads a container's header; undefined when this is no immutable container.
 *
 * The file's size decides how much data there is, since the header has only 32 bits. But where the header claims
 * less, as when a crash left a lease behind that is not counted yet, it is believed: what follows the data is secret.
 */
export function decodeHeader(header: Uint8Array, fileBytes: number): Container | undefined {
  if (header.length < HEADER_BYTES) return undefined;
  const view = new DataView(header.buffer, header.byteOffset, HEADER_BYTES);
  const version = view.getUint32(0);
  if (version !== 1 && version !== 2) return undefined;
  const leaseCount = view.getUint32(8);
  const bySize = fileBytes - HEADER_BYTES - leaseCount * LEASE_BYTES;
  if (bySize < 0) return undefined;
  return { version, dataBytes: dataLength(bySize, view.getUint32(4)), leaseCount };
}

/** Leases that nobody counted, at most, behind a share of 4 GiB or more. */
const UNCOUNTED_LEASES_MAX = 1024;

function dataLength(bySize: number, low32: number): number {
  if (bySize < 2 ** 32) return Math.min(bySize, low32);
  // Tahoe-LAFS writes 2^32 - 1 for every longer share; then only the size is left to go by.
  if (low32 === 2 ** 32 - 1) return bySize;
  const excess = (bySize - low32) % 2 ** 32;
  return excess <= UNCOUNTED_LEASES_MAX * LEASE_BYTES ? bySize - excess : bySize;
}
