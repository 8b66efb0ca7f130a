// The URI extension block (UEB): the roots of a file's hash trees and how it was cut and encoded. Its hash is
// part of the capability, so it can come from any server; what it says is still checked, because a capability
// may have been made by somebody hostile.

import { concatBytes, equalBytes } from '../base/bytes.ts';
import { netstring, readNetstring } from '../base/netstring.ts';
import type { ChkCapability, ChkVerifierCapability } from './capability.ts';
import { FormatError } from './format-error.ts';
import { HASH_BYTES, taggedHash } from './hashes.ts';
import { SEGMENT_SIZE_BYTES_MAX, SEGMENTS_MAX, Segmentation } from './segments.ts';

/** What a URI extension block says that the capability does not. */
export interface UriExtension {
  readonly segmentation: Segmentation;
  /** Shares that were made (n). */
  readonly total: number;
  /** Hash of the whole crypttext; undefined when the writer left it out. */
  readonly crypttextHash: Uint8Array | undefined;
  readonly crypttextRootHash: Uint8Array;
  readonly shareRootHash: Uint8Array;
}

/** A block that was read, and what it looks like: a share made later has to hold the same bytes. */
export interface ReadUriExtension extends UriExtension {
  readonly bytes: Uint8Array;
}

/** Longest block that is read; real ones have about 320 bytes. */
export const URI_EXTENSION_SIZE_BYTES_MAX = 4096;

/** The bytes of a block. Their number depends on the numbers in it only. */
export function encodeUriExtension(extension: UriExtension): Uint8Array {
  const fields: [string, Uint8Array | string][] = Object.entries(derivedFields(extension));
  fields.push(
    ['crypttext_root_hash', extension.crypttextRootHash],
    ['share_root_hash', extension.shareRootHash],
  );
  if (extension.crypttextHash !== undefined) fields.push(['crypttext_hash', extension.crypttextHash]);
  fields.sort(([a], [b]) => (a < b ? -1 : 1));
  return concatBytes(fields.flatMap(([key, value]) => [Buffer.from(`${key}:`), netstring(value)]));
}

/** The hash of a block's bytes, as the capability holds it. */
export function uriExtensionHash(bytes: Uint8Array): Uint8Array {
  return taggedHash('allmydata_uri_extension_v1', bytes);
}

/**
 * Reads a block that came from a server: proves it against the capability, then checks that what it says is
 * possible and agrees with the capability. Fields that are not known are passed over.
 * @throws FormatError BAD_URI_EXTENSION, OTHER_CAPABILITY
 */
export function parseUriExtension(
  bytes: Uint8Array,
  capability: Pick<ChkCapability | ChkVerifierCapability, 'uebHash' | 'needed' | 'total' | 'sizeBytes'>,
): ReadUriExtension {
  if (bytes.length > URI_EXTENSION_SIZE_BYTES_MAX) throw bad(`it is ${bytes.length} bytes long`);
  if (!equalBytes(uriExtensionHash(bytes), capability.uebHash)) {
    throw bad('its hash is not the one in the capability');
  }
  const fields = parseFields(bytes);
  const { needed, total, sizeBytes } = capability;
  for (const [name, expected] of Object.entries({
    size: sizeBytes,
    needed_shares: needed,
    total_shares: total,
  })) {
    const value = fields.get(name);
    if (value !== undefined && !equalBytes(value, Buffer.from(`${expected}`))) {
      const said = Buffer.from(value).toString('latin1').slice(0, 20);
      throw new FormatError(
        'OTHER_CAPABILITY',
        `the capability says that ${name} is ${expected}, the file that it names says ${JSON.stringify(said)}`,
      );
    }
  }
  const segmentSizeBytes = numberField(fields, 'segment_size');
  if (segmentSizeBytes < 1 || segmentSizeBytes > SEGMENT_SIZE_BYTES_MAX || segmentSizeBytes % needed !== 0) {
    throw bad(`segment_size is ${segmentSizeBytes}, with ${needed} needed shares`);
  }
  if (sizeBytes / segmentSizeBytes > SEGMENTS_MAX) throw bad(`segment_size is only ${segmentSizeBytes}`);
  const extension: ReadUriExtension = {
    bytes: new Uint8Array(bytes), // a copy, also of a Buffer
    segmentation: new Segmentation(sizeBytes, needed, segmentSizeBytes),
    total,
    crypttextHash: fields.has('crypttext_hash') ? hashField(fields, 'crypttext_hash') : undefined,
    crypttextRootHash: hashField(fields, 'crypttext_root_hash'),
    shareRootHash: hashField(fields, 'share_root_hash'),
  };
  for (const [name, expected] of Object.entries(derivedFields(extension))) {
    const value = fields.get(name);
    // They follow from the rest, so a writer may leave them out, but not contradict it.
    if (value !== undefined && !equalBytes(value, Buffer.from(expected))) {
      throw bad(`${name} is not ${expected}`);
    }
  }
  return extension;
}

/** The fields that follow from the sizes and the share numbers. */
function derivedFields({ segmentation, total }: UriExtension): Record<string, string> {
  const { needed, segmentSizeBytes, paddedTailSizeBytes, segmentCount, sizeBytes } = segmentation;
  return {
    codec_name: 'crs',
    codec_params: `${segmentSizeBytes}-${needed}-${total}`,
    needed_shares: `${needed}`,
    num_segments: `${segmentCount}`,
    segment_size: `${segmentSizeBytes}`,
    size: `${sizeBytes}`,
    tail_codec_params: `${paddedTailSizeBytes}-${needed}-${total}`,
    total_shares: `${total}`,
  };
}

const COLON = 0x3a;

function parseFields(bytes: Uint8Array): Map<string, Uint8Array> {
  const fields = new Map<string, Uint8Array>();
  for (let at = 0; at < bytes.length; ) {
    const colon = bytes.indexOf(COLON, at);
    const field = colon > at ? readNetstring(bytes, colon + 1) : undefined;
    if (field === undefined) throw bad(`there is no field at byte ${at}`);
    const name = Buffer.from(bytes.subarray(at, colon)).toString('latin1');
    if (fields.has(name)) throw bad('a field occurs twice');
    fields.set(name, field.value);
    at = field.end;
  }
  return fields;
}

function requiredField(fields: ReadonlyMap<string, Uint8Array>, name: string): Uint8Array {
  const value = fields.get(name);
  if (value === undefined) throw bad(`${name} is missing`);
  return value;
}

function hashField(fields: ReadonlyMap<string, Uint8Array>, name: string): Uint8Array {
  const value = requiredField(fields, name);
  if (value.length !== HASH_BYTES) throw bad(`${name} has ${value.length} bytes instead of ${HASH_BYTES}`);
  return new Uint8Array(value); // a copy, also of a Buffer
}

function numberField(fields: ReadonlyMap<string, Uint8Array>, name: string): number {
  const text = Buffer.from(requiredField(fields, name)).toString('latin1');
  if (!/^(0|[1-9][0-9]{0,14})$/.test(text)) throw bad(`${name} is not a whole number`);
  return Number(text);
}

function bad(problem: string): FormatError {
  return new FormatError('BAD_URI_EXTENSION', `the URI extension block cannot be used: ${problem}`);
}
