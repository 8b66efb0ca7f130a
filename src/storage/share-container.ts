// How a share lies in its file: Tahoe-LAFS's container of an immutable share. A header, the share data, leases.
// Pure functions over bytes; what the share data means is tahoe/'s affair.

/** `>LLL`: version, data length (low 32 bits), lease count. The share data follows. */
export const HEADER_BYTES = 12;
/** `>L32s32sL`: owner number, renew secret, cancel secret, expiration in seconds since 1970. */
export const LEASE_BYTES = 72;
/** Tahoe-LAFS's: a lease that is not renewed lasts for 31 days. */
export const LEASE_DURATION_SECONDS: number = 31 * 24 * 60 * 60;

/** A claim that a share shall be kept; the secrets are 32 bytes each. */
export interface Lease {
  readonly renewSecret: Uint8Array;
  readonly cancelSecret: Uint8Array;
  readonly expiresAtUnixSeconds: number;
}

/** The header of a version 1 container (lease secrets in clear). */
export function encodeHeader(dataBytes: number, leaseCount: number): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  const view = new DataView(header.buffer);
  view.setUint32(0, 1);
  view.setUint32(4, dataBytes % 2 ** 32);
  view.setUint32(8, leaseCount);
  return header;
}

/** One lease of owner number 0, the only one that Tahoe-LAFS uses for immutable shares of its clients. */
export function encodeLease(lease: Lease): Uint8Array {
  const bytes = new Uint8Array(LEASE_BYTES);
  bytes.set(lease.renewSecret, 4);
  bytes.set(lease.cancelSecret, 36);
  new DataView(bytes.buffer).setUint32(68, lease.expiresAtUnixSeconds);
  return bytes;
}

/**
 * Bytes of share data in a container, from its header and the size of its file; undefined when this is no
 * immutable container. Version 2 (lease secrets hashed; what Tahoe-LAFS 1.20 writes) has the same layout.
 *
 * The file's size decides, since the header has only 32 bits. But where the header claims less, as when a
 * crash left a lease behind that is not counted yet, it is believed: what follows the data is secret.
 */
export function dataLength(header: Uint8Array, fileBytes: number): number | undefined {
  if (header.length < HEADER_BYTES) return undefined;
  const view = new DataView(header.buffer, header.byteOffset, HEADER_BYTES);
  const version = view.getUint32(0);
  if (version !== 1 && version !== 2) return undefined;
  const bySize = fileBytes - HEADER_BYTES - view.getUint32(8) * LEASE_BYTES;
  if (bySize < 0) return undefined;
  return bySize < 2 ** 32 ? Math.min(bySize, view.getUint32(4)) : bySize;
}
