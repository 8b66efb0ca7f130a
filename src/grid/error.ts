// The one error class of the grid client: what could not be done, at which servers, in which stage, after how
// long, and what to do about it. What a single server throws is kept as an outcome, never thrown as it is.

import { StorageError } from '../storage/storage-server.ts';
import { RpcError } from '../transport/error.ts';

/** Stable codes of {@link GridError}; new ones may be added, none changes its meaning. */
export type GridErrorCode =
  /** Every server answered, and none has a share of this file. */
  | 'NOT_FOUND'
  /** Fewer than k different shares could be read from all servers together. */
  | 'NOT_ENOUGH_SHARES'
  /** Fewer servers than `happy` took, or kept on taking, shares. */
  | 'TOO_FEW_SERVERS'
  /** Enough shares are there, but what they hold is not what the capability promises. */
  | 'CORRUPT'
  /** Not a capability, one of a kind that cannot be read here, or one that contradicts the file that it names. */
  | 'BAD_CAPABILITY'
  /** An option that makes no sense, e.g. more shares needed than made. */
  | 'BAD_ARGUMENT'
  /** The source of an upload gave other bytes, or another number of them, than it did before. */
  | 'SOURCE_CHANGED';

/** What an operation was doing when it failed. */
export type GridStage = 'preparing' | 'hashing' | 'placing' | 'pushing' | 'closing' | 'locating' | 'reading';

/** What became of one server in an operation, in a few words: `disk is full`, `no answer after 0.4 s`. */
export interface ServerOutcome {
  readonly name: string;
  readonly outcome: string;
}

/** What a {@link GridError} is made of. */
export interface GridErrorInfo {
  /** One clause, no full stop: `only 2 of the 3 shares needed were found`. */
  readonly problem: string;
  /** One sentence that tells the reader what to do next. */
  readonly advice: string;
  readonly stage: GridStage;
  readonly elapsedMs: number;
  readonly servers?: readonly ServerOutcome[];
  readonly cause?: unknown;
}

/** An operation of the grid client that failed. */
export class GridError extends Error {
  override readonly name: string = 'GridError';
  readonly code: GridErrorCode;
  readonly stage: GridStage;
  /** From the beginning of the operation. */
  readonly elapsedMs: number;
  /** The message without the advice, for whoever shows that by itself. */
  readonly report: string;
  /** One sentence that tells the reader what to do next. */
  readonly advice: string;
  /** The servers that took part, in the order in which they were asked. */
  readonly servers: readonly ServerOutcome[];

  constructor(code: GridErrorCode, info: GridErrorInfo) {
    const report = describe(info);
    super(`${report} ${info.advice}`, info.cause === undefined ? undefined : { cause: info.cause });
    this.code = code;
    this.report = report;
    this.advice = info.advice;
    this.stage = info.stage;
    this.elapsedMs = info.elapsedMs;
    this.servers = info.servers ?? [];
  }
}

/** The outcome of a server that failed, in a few words that people understand. */
export function outcomeOf(error: unknown): string {
  if (error instanceof StorageError) return STORAGE_OUTCOMES[error.code] ?? error.message;
  if (error instanceof RpcError) {
    const detail = error.detail === undefined ? undefined : storageOutcome(error.detail.code);
    return detail ?? RPC_OUTCOMES[error.code] ?? error.message;
  }
  return error instanceof Error ? error.message : String(error);
}

/** A time as people read it: `0.4 s`. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(ms < 9950 ? 1 : 0)} s`;
}

/** `share 3`, `shares 0, 5`, `shares 0, 1, 2, 3, 4, 5, 6, 7 and 12 more`. */
export function describeShares(shares: readonly number[]): string {
  const shown = shares.slice(0, SHARES_SHOWN_MAX).join(', ');
  const more = shares.length > SHARES_SHOWN_MAX ? ` and ${shares.length - SHARES_SHOWN_MAX} more` : '';
  return `share${shares.length === 1 ? '' : 's'} ${shown}${more}`;
}

const STORAGE_OUTCOMES: Readonly<Record<StorageError['code'], string | undefined>> = {
  NO_SPACE: 'has no space left',
  READ_ONLY: 'takes no new shares (read-only)',
  TOO_LARGE: 'does not take shares of this size',
  UNKNOWN_SHARE: 'has lost the share',
  SHARE_BUSY: 'is busy with another upload of this share',
  INCOMPLETE: undefined,
  IO_ERROR: 'its disk failed',
  STOPPED: 'is being stopped',
  BAD_REQUEST: undefined,
};

const RPC_OUTCOMES: Readonly<Partial<Record<RpcError['code'], string>>> = {
  CANCELLED: 'was told never mind',
  DEADLINE_EXCEEDED: 'did not answer in time',
  PEER_SILENT: 'is silent',
  PEER_UNREACHABLE: 'does not run: nobody listens at its port',
  PEER_RESTARTED: 'was restarted',
  OVERLOADED: 'is overloaded',
  UNAUTHORIZED: 'does not allow it: its owner lists other keys than ours, or its address has changed',
  NETWORK_UNREACHABLE: 'cannot be reached from here',
  HOST_UNKNOWN: 'its host name is not known',
};

function storageOutcome(code: string): string | undefined {
  return (STORAGE_OUTCOMES as Readonly<Record<string, string | undefined>>)[code];
}

/** What happened, where, after how long. */
function describe({ problem, stage, elapsedMs, servers = [] }: GridErrorInfo): string {
  const shown = servers.slice(0, SERVERS_SHOWN_MAX).map(({ name, outcome }) => `${name} ${outcome}`);
  const more = servers.length > shown.length ? `; and ${servers.length - shown.length} more` : '';
  const where = shown.length === 0 ? '' : ` Servers: ${shown.join('; ')}${more}.`;
  return `${problem} (${stage}, after ${seconds(elapsedMs)}).${where}`;
}

/** A message stays readable on a grid of hundreds; `servers` has them all. */
const SERVERS_SHOWN_MAX = 12;
const SHARES_SHOWN_MAX = 8;
