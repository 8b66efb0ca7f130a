// Tahoe-LAFS's own lists of storage servers, read in the place of a grid file: `private/servers.yaml`, which people
// write, and `private/introducer_*_cache.yaml`, which an introducer's announcements fill. What strangers announce is
// taken leniently: who cannot be used is left out, and counted.

import { base32Decode } from '../base/base32.ts';
import { formatNurl, NurlError, parseNurl } from '../gbs/nurl.ts';

/** A server of such a list. */
export interface AnnouncedServer {
  /** `pb://…#v=1`. */
  readonly address: string;
  /** Undefined: what its address gives. */
  readonly permutationSeed: Uint8Array | undefined;
}

/** What such a list holds. */
export interface Announcements {
  /** Each address once. */
  readonly servers: readonly AnnouncedServer[];
  /** Storage servers without an address of the HTTP protocol: they speak only Foolscap. */
  readonly foolscapOnly: number;
}

/**
 * Reads the plain value of a YAML file; undefined when it is neither of the two forms:
 *
 *     storage:                     - ann: {…}
 *       v0-KEY:                      key_s: v0-KEY
 *         ann: {…}                 - …
 */
export function readAnnouncements(value: unknown): Announcements | undefined {
  const announced = Array.isArray(value) ? fromCache(value) : fromServersFile(value);
  if (announced === undefined) return undefined;
  const servers = new Map<string, AnnouncedServer>();
  let foolscapOnly = 0;
  for (const { key, announcement } of announced) {
    const service = announcement['service-name'];
    if (service !== undefined && service !== 'storage') continue;
    const address = httpAddressOf(announcement);
    if (address === undefined) foolscapOnly++;
    else servers.set(address, { address, permutationSeed: seedOf(announcement, key) });
  }
  return { servers: [...servers.values()], foolscapOnly };
}

interface Announced {
  readonly key: string;
  readonly announcement: Fields;
}

/** An object of the file, with the fields that are looked at. */
type Fields = Readonly<
  Partial<
    Record<
      'storage' | 'ann' | 'key_s' | 'service-name' | 'anonymous-storage-NURLs' | 'permutation-seed-base32',
      unknown
    >
  >
>;

function fromServersFile(value: unknown): Announced[] | undefined {
  if (!isFields(value) || !isFields(value.storage)) return undefined;
  return Object.entries<unknown>(value.storage).flatMap(([key, entry]) =>
    isFields(entry) && isFields(entry.ann) ? [{ key, announcement: entry.ann }] : [],
  );
}

function fromCache(entries: readonly unknown[]): Announced[] | undefined {
  const announced = entries.flatMap((entry) =>
    isFields(entry) && isFields(entry.ann) ? [{ key: String(entry.key_s), announcement: entry.ann }] : [],
  );
  return announced.length === 0 ? undefined : announced;
}

/** The first address that can be used: the others are other ways to the same server. */
function httpAddressOf(announcement: Fields): string | undefined {
  const addresses = announcement['anonymous-storage-NURLs'];
  if (!Array.isArray(addresses)) return undefined;
  for (const address of addresses) {
    try {
      return formatNurl(parseNurl(String(address)));
    } catch (error) {
      if (!(error instanceof NurlError)) throw error;
    }
  }
  return undefined;
}

/** As the announcement says, else the server's key. */
function seedOf(announcement: Fields, key: string): Uint8Array | undefined {
  const seed = announcement['permutation-seed-base32'];
  if (typeof seed === 'string') return base32Decode(seed);
  return base32Decode(key.replace(/^v0-/, ''));
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
