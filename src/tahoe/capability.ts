// Capabilities: the texts that name a file and, but for verifiers, let their holder read it.
// Errors never repeat what stands in a secret field.

import { base32Decode, base32Encode } from '../base/base32.ts';
import { KEY_BYTES, STORAGE_INDEX_BYTES, storageIndexForKey } from './convergence.ts';
import { HASH_BYTES } from './hashes.ts';
import { SHARES_MAX } from './segments.ts';

/** A file so small (up to {@link LITERAL_SIZE_BYTES_MAX}) that the capability holds it. */
export interface LiteralCapability {
  readonly kind: 'lit';
  readonly bytes: Uint8Array;
}

/** An immutable file: where it is, how to check it, and the key that decrypts it. */
export interface ChkCapability {
  readonly kind: 'chk';
  /** AES-128 key, 16 bytes. Secret. */
  readonly key: Uint8Array;
  /** Hash of the URI extension block, 32 bytes. */
  readonly uebHash: Uint8Array;
  /** Shares that are enough to read it (k). */
  readonly needed: number;
  /** Shares that were made (n). */
  readonly total: number;
  readonly sizeBytes: number;
}

/** An immutable file for those who may check and repair it without reading it. */
export interface ChkVerifierCapability {
  readonly kind: 'chk-verifier';
  /** 16 bytes. */
  readonly storageIndex: Uint8Array;
  readonly uebHash: Uint8Array;
  readonly needed: number;
  readonly total: number;
  readonly sizeBytes: number;
}

/** An immutable file on servers, for whoever may read it or may only check it. */
export type ChkFile = ChkCapability | ChkVerifierCapability;

export type Capability = LiteralCapability | ChkCapability | ChkVerifierCapability;

/** Files up to this size are kept in the capability itself, on no server. */
export const LITERAL_SIZE_BYTES_MAX = 55;

/** Stable codes of {@link CapabilityError}. */
export type CapabilityErrorCode =
  /** The text is no `URI:…`. */
  | 'NOT_A_CAPABILITY'
  /** A capability, but of a kind that cannot be used here. */
  | 'UNSUPPORTED_KIND'
  /** A field is missing, too much, or holds what it cannot hold. */
  | 'BAD_FIELD';

/** A text that is no usable capability. The message names the field and never shows a secret. */
export class CapabilityError extends Error {
  override readonly name: string = 'CapabilityError';
  readonly code: CapabilityErrorCode;

  constructor(code: CapabilityErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * Reads a capability; white space around it is dropped, nothing else is forgiven.
 * @throws CapabilityError
 */
export function parseCapability(text: string): Capability {
  const [scheme, kind, ...fields] = text.trim().split(':');
  if (scheme !== 'URI' || kind === undefined) {
    throw new CapabilityError('NOT_A_CAPABILITY', 'not a capability: it does not begin with "URI:"');
  }
  switch (kind) {
    case 'LIT':
      return parseLiteral(fields);
    case 'CHK': {
      const [key, ...rest] = expectFields(kind, fields, ['key', ...FILE_FIELDS]);
      return { kind: 'chk', key: bytesField(kind, 'key', key!, KEY_BYTES), ...parseFileFields(kind, rest) };
    }
    case 'CHK-Verifier': {
      const [index, ...rest] = expectFields(kind, fields, ['storage index', ...FILE_FIELDS]);
      const storageIndex = bytesField(kind, 'storage index', index!, STORAGE_INDEX_BYTES);
      return { kind: 'chk-verifier', storageIndex, ...parseFileFields(kind, rest) };
    }
    default: {
      // Only a word of the known shape is repeated: something else may be a misplaced secret.
      const named = /^[A-Z0-9]{1,8}(-[A-Za-z]{1,12})*$/.test(kind) ? ` "URI:${kind}:"` : '';
      throw new CapabilityError(
        'UNSUPPORTED_KIND',
        `capabilities of this kind${named} cannot be read here, only those of immutable files`,
      );
    }
  }
}

/** The text of a capability. */
export function formatCapability(capability: Capability): string {
  switch (capability.kind) {
    case 'lit':
      return `URI:LIT:${base32Encode(capability.bytes)}`;
    case 'chk':
      return `URI:CHK:${base32Encode(capability.key)}:${formatFileFields(capability)}`;
    case 'chk-verifier':
      return `URI:CHK-Verifier:${base32Encode(capability.storageIndex)}:${formatFileFields(capability)}`;
    default:
      return capability satisfies never;
  }
}

/** The 16 bytes that servers know the file by. */
export function storageIndexOf(capability: ChkFile): Uint8Array {
  return capability.kind === 'chk' ? storageIndexForKey(capability.key) : capability.storageIndex;
}

/** What may be given to somebody who checks or repairs the file but must not read it. */
export function verifierOf(capability: ChkFile): ChkVerifierCapability {
  const { uebHash, needed, total, sizeBytes } = capability;
  return {
    kind: 'chk-verifier',
    storageIndex: storageIndexOf(capability),
    uebHash,
    needed,
    total,
    sizeBytes,
  };
}

type FileFields = Pick<ChkCapability, 'uebHash' | 'needed' | 'total' | 'sizeBytes'>;

const FILE_FIELDS = ['UEB hash', 'needed shares', 'total shares', 'size'];

function parseLiteral(fields: readonly string[]): LiteralCapability {
  const [text] = expectFields('LIT', fields, ['data']);
  const bytes = base32Decode(text!);
  if (bytes === undefined) throw badField('LIT', 'data', 'is not base32');
  if (bytes.length > LITERAL_SIZE_BYTES_MAX) {
    throw badField('LIT', 'data', `has ${bytes.length} bytes, more than ${LITERAL_SIZE_BYTES_MAX}`);
  }
  return { kind: 'lit', bytes };
}

function parseFileFields(kind: string, fields: readonly string[]): FileFields {
  const [hash, needed, total, size] = fields;
  const result = {
    uebHash: bytesField(kind, 'UEB hash', hash!, HASH_BYTES),
    needed: numberField(kind, 'needed shares', needed!, SHARES_MAX),
    total: numberField(kind, 'total shares', total!, SHARES_MAX),
    sizeBytes: numberField(kind, 'size', size!, Number.MAX_SAFE_INTEGER),
  };
  if (result.needed > result.total) {
    throw badField(kind, 'needed shares', `is ${result.needed}, more than the total of ${result.total}`);
  }
  return result;
}

function formatFileFields({ uebHash, needed, total, sizeBytes }: FileFields): string {
  return `${base32Encode(uebHash)}:${needed}:${total}:${sizeBytes}`;
}

function expectFields(kind: string, fields: readonly string[], names: readonly string[]): readonly string[] {
  if (fields.length !== names.length) {
    const which =
      fields.length < names.length ? `"${names[fields.length]}" is missing` : 'there are too many';
    throw new CapabilityError(
      'BAD_FIELD',
      `URI:${kind}: takes ${names.length} field${names.length === 1 ? '' : 's'} (${names.join(', ')}): ${which}`,
    );
  }
  return fields;
}

function bytesField(kind: string, name: string, text: string, lengthBytes: number): Uint8Array {
  const bytes = base32Decode(text);
  if (bytes === undefined) throw badField(kind, name, 'is not base32');
  if (bytes.length !== lengthBytes) {
    throw badField(kind, name, `has ${bytes.length} bytes instead of ${lengthBytes}`);
  }
  return bytes;
}

/** A whole number from 1 to `maximum`, in the one way it is written. */
function numberField(kind: string, name: string, text: string, maximum: number): number {
  if (!/^[1-9][0-9]{0,15}$/.test(text) || Number(text) > maximum) {
    throw badField(kind, name, `is not a whole number from 1 to ${maximum}`);
  }
  return Number(text);
}

function badField(kind: string, name: string, problem: string): CapabilityError {
  return new CapabilityError('BAD_FIELD', `URI:${kind}: the field "${name}" ${problem}`);
}
