// Reads spec/vectors/erasure.json: what zfec itself computed.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** `check` are the blocks of shares `needed` to `total - 1`. */
export interface KnownAnswer {
  readonly needed: number;
  readonly total: number;
  readonly data: readonly Uint8Array[];
  readonly check: readonly Uint8Array[];
}

/** The same for blocks too long to be written down: the check blocks as SHA-256 of all of them. */
export interface LongKnownAnswer {
  readonly needed: number;
  readonly total: number;
  readonly data: readonly Uint8Array[];
  readonly checkSha256: string;
}

interface File {
  readonly cases: readonly {
    readonly needed: number;
    readonly total: number;
    readonly data: readonly string[];
    readonly check: readonly string[];
  }[];
  readonly long: readonly {
    readonly needed: number;
    readonly total: number;
    readonly blockBytes: number;
    readonly seed: string;
    readonly checkSha256: string;
  }[];
}

const file = JSON.parse(
  readFileSync(new URL('../../spec/vectors/erasure.json', import.meta.url), 'utf8'),
) as File;

export const knownAnswers: readonly KnownAnswer[] = file.cases.map(({ data, check, ...code }) => ({
  ...code,
  data: data.map(bytesOf),
  check: check.map(bytesOf),
}));

export const longKnownAnswers: readonly LongKnownAnswer[] = file.long.map(
  ({ seed, blockBytes, ...answer }) => ({ ...answer, data: seededBlocks(seed, answer.needed, blockBytes) }),
);

/** `count` blocks of bytes without pattern: SHAKE-256 of `seed`, cut in pieces. */
export function seededBlocks(seed: string, count: number, blockBytes: number): Uint8Array[] {
  const outputLength = count * blockBytes;
  if (outputLength === 0) return Array.from({ length: count }, () => new Uint8Array(0));
  const bytes = new Uint8Array(createHash('shake256', { outputLength }).update(seed).digest());
  return Array.from({ length: count }, (_, block) =>
    bytes.subarray(block * blockBytes, (block + 1) * blockBytes),
  );
}

function bytesOf(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, 'hex'));
}
