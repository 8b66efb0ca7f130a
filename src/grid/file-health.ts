// How a file is doing: what check, verify and repair say of it. Numbers from holdings; how those were found is theirs.

import { base32Encode } from '../base/base32.ts';
import type { StorageServer } from '../storage/storage-server.ts';
import {
  type Capability,
  CapabilityError,
  type ChkVerifierCapability,
  parseCapability,
  verifierOf,
} from '../tahoe/capability.ts';
import { GridError, type ServerOutcome } from './error.ts';
import { type Holding, happiness } from './happiness.ts';

/** A share and the server that has it. */
export interface ShareLocation {
  readonly shareNumber: number;
  readonly serverName: string;
}

/** What is known of one file. */
export interface FileHealth {
  /** Base32; undefined for a file that is in its capability. */
  readonly storageIndex: string | undefined;
  /** Different shares that are enough (k), and that there should be (n); 0 for a file that is in its capability. */
  readonly needed: number;
  readonly total: number;
  /** Different shares that count. */
  readonly sharesFound: number;
  /** Every share is there. */
  readonly healthy: boolean;
  /** The file can be read. */
  readonly recoverable: boolean;
  /** Servers of happiness. */
  readonly happiness: number;
  /** Shares that count, by number. */
  readonly shares: readonly ShareLocation[];
  /** Servers that did not say what they have: there may be more shares than are known. */
  readonly unanswered: readonly string[];
  /** What became of each server, in the order of the file's permutation. */
  readonly servers: readonly ServerOutcome[];
  /** Servers with shares that took a lease on them, or did not; empty unless leases were asked for. */
  readonly leases: readonly { readonly serverName: string; readonly failure: string | undefined }[];
}

/** The verdict over these holdings. */
export function healthOf(
  { storageIndex, needed, total }: ChkVerifierCapability,
  holdings: readonly Holding<StorageServer>[],
  rest: Pick<FileHealth, 'unanswered' | 'servers' | 'leases'>,
): FileHealth {
  const sharesFound = new Set(holdings.map(({ shareNumber }) => shareNumber)).size;
  return {
    storageIndex: base32Encode(storageIndex),
    needed,
    total,
    sharesFound,
    healthy: sharesFound === total,
    recoverable: sharesFound >= needed,
    happiness: happiness(holdings),
    shares: holdings
      .map(({ shareNumber, server }) => ({ shareNumber, serverName: server.name }))
      .sort((a, b) => a.shareNumber - b.shareNumber || (a.serverName < b.serverName ? -1 : 1)),
    ...rest,
  };
}

/** A file in its capability cannot be lost. */
export const LITERAL_HEALTH: FileHealth = {
  storageIndex: undefined,
  needed: 0,
  total: 0,
  sharesFound: 0,
  healthy: true,
  recoverable: true,
  happiness: 0,
  shares: [],
  unanswered: [],
  servers: [],
  leases: [],
};

/** What has to be known of a file to look after it; undefined for one that is in its capability. @throws GridError */
export function parseForChecking(text: string): ChkVerifierCapability | undefined {
  let capability: Capability;
  try {
    capability = parseCapability(text);
  } catch (error) {
    if (!(error instanceof CapabilityError)) throw error;
    throw new GridError('BAD_CAPABILITY', {
      problem: error.message,
      advice: 'Use a capability as `put` printed it, or the verifier made of it (URI:CHK-Verifier:).',
      stage: 'preparing',
      elapsedMs: 0,
      cause: error,
    });
  }
  return capability.kind === 'lit' ? undefined : verifierOf(capability);
}
