// Where things stand in an immutable share: header, blocks, hash trees, share hash chain, URI extension block.
// Version 1 counts in 32 bits, version 2 in 64. The storage server's container around a share is storage/'s.

import { FormatError } from './format-error.ts';
import { HASH_BYTES } from './hashes.ts';
import { nodeCount, proofNodes } from './merkle.ts';
import type { Segmentation } from './segments.ts';
import { URI_EXTENSION_SIZE_BYTES_MAX } from './uri-extension.ts';

/** Offsets in bytes from the beginning of the share. The parts follow each other in this order. */
export interface ShareLayout {
  readonly version: 1 | 2;
  /** As the header states them; a reader computes its own from the capability and the UEB. */
  readonly blockSizeBytes: number;
  readonly dataSizeBytes: number;
  readonly dataOffset: number;
  /** A part that nobody uses any more: zeros. */
  readonly plaintextTreeOffset: number;
  readonly crypttextTreeOffset: number;
  readonly blockTreeOffset: number;
  readonly shareChainOffset: number;
  /** Of the length in front of the block; see {@link unframeUriExtension}. */
  readonly uriExtensionOffset: number;
}

/** Bytes that hold any version's header: what to read of a share first. */
export const SHARE_HEADER_BYTES_MAX = 0x44;

/** Bytes that hold any URI extension block with its length. */
export const FRAMED_URI_EXTENSION_BYTES_MAX: number = 8 + URI_EXTENSION_SIZE_BYTES_MAX;

/** The layout of a new share: version 1 unless a number does not fit in it. */
export function layoutShare(segmentation: Segmentation, total: number): ShareLayout {
  const first = layoutVersion(1, segmentation, total);
  if (HEADER_FIELDS.every((field) => first[field] < 2 ** 32)) return first;
  return layoutVersion(2, segmentation, total);
}

/** The size of a new share whose URI extension block has this size. */
export function shareSizeBytes(layout: ShareLayout, uriExtensionSizeBytes: number): number {
  return layout.uriExtensionOffset + uriExtensionPrefixBytes(layout.version) + uriExtensionSizeBytes;
}

/** The header of a share. */
export function encodeShareHeader(layout: ShareLayout): Uint8Array {
  const { version } = layout;
  const bytes = new Uint8Array(headerBytes(version));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, version);
  for (const [index, field] of HEADER_FIELDS.entries()) {
    if (version === 1) view.setUint32(4 + 4 * index, layout[field]);
    else view.setBigUint64(4 + 8 * index, BigInt(layout[field]));
  }
  return bytes;
}

/**
 * Reads the header of a share, from its first {@link SHARE_HEADER_BYTES_MAX} bytes or more. The offsets of what
 * it returns are in order and, where the size of the share is given, inside of it.
 * @throws FormatError BAD_SHARE_HEADER
 */
export function parseShareHeader(
  bytes: Uint8Array,
  sizeBytes: number = Number.MAX_SAFE_INTEGER,
): ShareLayout {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = bytes.length >= 4 ? view.getUint32(0) : undefined;
  if (version !== 1 && version !== 2) {
    throw badHeader(version === undefined ? 'it is cut short' : `version ${version} is not known`);
  }
  if (bytes.length < headerBytes(version)) throw badHeader('it is cut short');
  const fields = HEADER_FIELDS.map((_, index) =>
    version === 1 ? view.getUint32(4 + 4 * index) : Number(view.getBigUint64(4 + 8 * index)),
  );
  const [blockSizeBytes, dataSizeBytes, ...offsets] = fields as unknown as HeaderNumbers;
  const ends = [...offsets, sizeBytes - uriExtensionPrefixBytes(version)];
  if (offsets[0] < headerBytes(version) || ends.some((end, index) => index > 0 && end < ends[index - 1]!)) {
    throw badHeader('its offsets are out of order or beyond the end of the share');
  }
  if (blockSizeBytes > dataSizeBytes || dataSizeBytes > offsets[1] - offsets[0]) {
    throw badHeader('its sizes do not fit its offsets');
  }
  return {
    version,
    blockSizeBytes,
    dataSizeBytes,
    dataOffset: offsets[0],
    plaintextTreeOffset: offsets[1],
    crypttextTreeOffset: offsets[2],
    blockTreeOffset: offsets[3],
    shareChainOffset: offsets[4],
    uriExtensionOffset: offsets[5],
  };
}

/** The bytes of a share hash chain: each node's 16-bit number and its hash, in the order given. */
export function encodeShareChain(nodes: Iterable<readonly [number, Uint8Array]>): Uint8Array {
  const entries = [...nodes];
  const bytes = new Uint8Array(entries.length * CHAIN_ENTRY_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [index, [node, hash]] of entries.entries()) {
    view.setUint16(index * CHAIN_ENTRY_BYTES, node);
    bytes.set(hash, index * CHAIN_ENTRY_BYTES + 2);
  }
  return bytes;
}

/** Longest share hash chain of a file with so many shares: every node of the tree. */
export function shareChainBytesMax(total: number): number {
  return nodeCount(total) * CHAIN_ENTRY_BYTES;
}

/**
 * Reads a share hash chain, keeping its order. The hashes (views of `bytes`) are not trusted yet.
 * @param total shares of the file; nodes that its tree does not have are refused.
 * @throws FormatError BAD_HASH_CHAIN
 */
export function parseShareChain(bytes: Uint8Array, total: number): Map<number, Uint8Array> {
  const nodesMax = nodeCount(total);
  if (bytes.length % CHAIN_ENTRY_BYTES !== 0 || bytes.length > shareChainBytesMax(total)) {
    throw badChain(`it has ${bytes.length} bytes`);
  }
  const nodes = new Map<number, Uint8Array>();
  for (let at = 0; at < bytes.length; at += CHAIN_ENTRY_BYTES) {
    const node = bytes[at]! * 256 + bytes[at + 1]!;
    if (node >= nodesMax) throw badChain(`there is no node ${node} in a tree over ${total} shares`);
    if (nodes.has(node)) throw badChain(`node ${node} occurs twice`);
    nodes.set(node, bytes.subarray(at + 2, at + CHAIN_ENTRY_BYTES));
  }
  return nodes;
}

/** A URI extension block as it stands in a share: behind its length. */
export function frameUriExtension(block: Uint8Array, version: ShareLayout['version']): Uint8Array {
  const prefixBytes = uriExtensionPrefixBytes(version);
  const bytes = new Uint8Array(prefixBytes + block.length);
  new DataView(bytes.buffer).setUint32(prefixBytes - 4, block.length);
  bytes.set(block, prefixBytes);
  return bytes;
}

/**
 * The URI extension block in the bytes of a share from `uriExtensionOffset` on (a view; not trusted yet).
 * Reading {@link FRAMED_URI_EXTENSION_BYTES_MAX} bytes there is always enough.
 * @throws FormatError BAD_URI_EXTENSION when it is cut short or longer than a block can be.
 */
export function unframeUriExtension(bytes: Uint8Array, version: ShareLayout['version']): Uint8Array {
  const prefixBytes = uriExtensionPrefixBytes(version);
  if (bytes.length < prefixBytes) throw badUriExtension('it is cut short');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = version === 1 ? view.getUint32(0) : Number(view.getBigUint64(0));
  if (length > URI_EXTENSION_SIZE_BYTES_MAX) throw badUriExtension(`it states a length of ${length}`);
  if (prefixBytes + length > bytes.length) throw badUriExtension('it is cut short');
  return bytes.subarray(prefixBytes, prefixBytes + length);
}

/** The header's numbers in their order, after the version. */
const HEADER_FIELDS = [
  'blockSizeBytes',
  'dataSizeBytes',
  'dataOffset',
  'plaintextTreeOffset',
  'crypttextTreeOffset',
  'blockTreeOffset',
  'shareChainOffset',
  'uriExtensionOffset',
] as const satisfies readonly (keyof ShareLayout)[];

type HeaderNumbers = [number, number, number, number, number, number, number, number];

const CHAIN_ENTRY_BYTES = 2 + HASH_BYTES;

function headerBytes(version: ShareLayout['version']): number {
  return version === 1 ? 0x24 : 0x44;
}

function uriExtensionPrefixBytes(version: ShareLayout['version']): number {
  return version === 1 ? 4 : 8;
}

function layoutVersion(version: 1 | 2, segmentation: Segmentation, total: number): ShareLayout {
  const treeBytes = nodeCount(segmentation.segmentCount) * HASH_BYTES;
  const dataOffset = headerBytes(version);
  const plaintextTreeOffset = dataOffset + segmentation.dataSizeBytes;
  const shareChainOffset = plaintextTreeOffset + 3 * treeBytes;
  return {
    version,
    blockSizeBytes: segmentation.blockSizeBytes,
    dataSizeBytes: segmentation.dataSizeBytes,
    dataOffset,
    plaintextTreeOffset,
    crypttextTreeOffset: plaintextTreeOffset + treeBytes,
    blockTreeOffset: plaintextTreeOffset + 2 * treeBytes,
    shareChainOffset,
    uriExtensionOffset: shareChainOffset + proofNodes(total, 0).length * CHAIN_ENTRY_BYTES,
  };
}

function badHeader(problem: string): FormatError {
  return new FormatError('BAD_SHARE_HEADER', `the header of the share cannot be used: ${problem}`);
}

function badUriExtension(problem: string): FormatError {
  return new FormatError('BAD_URI_EXTENSION', `the URI extension block cannot be used: ${problem}`);
}

function badChain(problem: string): FormatError {
  return new FormatError('BAD_HASH_CHAIN', `the share hash chain cannot be used: ${problem}`);
}
