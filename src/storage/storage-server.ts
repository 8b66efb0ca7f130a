// What one storage server does, wherever it is: on this machine's disk, behind a Transport, or (later) behind
// Tahoe-LAFS's HTTP protocol. The grid client knows servers only by this interface.

/** Options that every operation takes. */
export interface OperationOptions {
  /** Never mind: rejects with `signal.reason` and, where the operation is remote, cancels it there. */
  readonly signal?: AbortSignal | undefined;
  /** Called at most once when the answer takes longer than this server usually needs. */
  readonly onOverdue?: (() => void) | undefined;
}

/** What a server says of itself. */
export interface ServerVersion {
  readonly applicationVersion: string;
  /** Largest immutable share that it takes, in bytes. */
  readonly maximumImmutableShareSize: number;
  /** Bytes that it would still accept. */
  readonly availableSpace: number;
}

/**
 * What adds a lease and renews it, and what would cancel it: 32 bytes each. Every server gets a pair of its own, so
 * that none can cancel what was asked of another (tahoe-formats: leases).
 */
export interface LeaseSecrets {
  readonly renewSecret: Uint8Array;
  readonly cancelSecret: Uint8Array;
}

/**
 * The pair for the server with this node id (20 bytes). Whoever implements {@link StorageServer} calls it, once it
 * knows the server's node id: over HTTPS that is after the handshake.
 */
export type LeaseSecretsFor = (nodeId: Uint8Array) => LeaseSecrets;

/** Asks a server to take shares of one file. */
export interface AllocateRequest {
  /** 16 bytes. */
  readonly storageIndex: Uint8Array;
  readonly shareNumbers: readonly number[];
  /** Size of each share in bytes, container not counted. */
  readonly allocatedSize: number;
  /** 32 random bytes; only who knows them may write, close or abort these shares. */
  readonly uploadSecret: Uint8Array;
  /** Gives each share a lease: those that are there already now, the others when they are finished. */
  readonly lease?: LeaseSecretsFor | undefined;
}

/**
 * Which of the shares asked for are there already, and which may now be written. The others: no space, or another
 * upload is busy with them.
 */
export interface AllocateResult {
  readonly alreadyHave: readonly number[];
  readonly allocated: readonly number[];
}

/** Names one share under upload. */
export interface UploadRef {
  readonly storageIndex: Uint8Array;
  readonly shareNumber: number;
  readonly uploadSecret: Uint8Array;
}

/** Stable codes of {@link StorageError}. */
export type StorageErrorCode =
  /** The disk, or what the owner reserved of it, is full. */
  | 'NO_SPACE'
  | 'READ_ONLY'
  /** Larger than the server's maximum, or beyond the allocated size. */
  | 'TOO_LARGE'
  /** No such share, or no such upload (finished, aborted, or lost in a restart). */
  | 'UNKNOWN_SHARE'
  /** Another writer holds this share. */
  | 'SHARE_BUSY'
  /** `close` before every byte was written. */
  | 'INCOMPLETE'
  /** The disk failed; the share was refused. */
  | 'IO_ERROR'
  /** The server is being stopped, or has been. */
  | 'STOPPED'
  /** A request that no client of this protocol would make. */
  | 'BAD_REQUEST';

/** An operation that the server refused or could not do. */
export class StorageError extends Error {
  override readonly name: string = 'StorageError';
  readonly code: StorageErrorCode;

  constructor(code: StorageErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/**
 * One storage server. Reads and `list` are idempotent, and so are the others by their secrets: repeating an
 * allocate, write, close or abort with the same arguments has the same effect as doing it once.
 * Every method throws StorageError, or what the way to a remote server throws (RpcError).
 */
export interface StorageServer {
  /** Printable, e.g. its address; named in errors and progress. */
  readonly name: string;
  /** Its place in Tahoe-LAFS's permutation: servers are sorted by SHA1(storage index ‖ seed). */
  readonly permutationSeed: Uint8Array;
  /** Asked before all that are not, for every file. Default false. */
  readonly isPreferred?: boolean | undefined;

  version(options?: OperationOptions): Promise<ServerVersion>;
  allocate(request: AllocateRequest, options?: OperationOptions): Promise<AllocateResult>;
  /** Writes `bytes` at `offset`; in any order, also twice. At most 16 MiB at once less a few hundred bytes. */
  write(upload: UploadRef, offset: number, bytes: Uint8Array, options?: OperationOptions): Promise<void>;
  /** Makes the share durable and visible: resolves after write, fsync, rename and fsync of the folder. */
  close(upload: UploadRef, options?: OperationOptions): Promise<void>;
  /** Drops an unfinished share. Of one that is not there: does nothing. */
  abort(upload: UploadRef, options?: OperationOptions): Promise<void>;
  /** Numbers of the finished shares of a file, ascending; empty when there are none. */
  list(storageIndex: Uint8Array, options?: OperationOptions): Promise<readonly number[]>;
  /** Bytes [offset, offset + length) of a share; fewer at its end, none past it. */
  read(
    storageIndex: Uint8Array,
    shareNumber: number,
    offset: number,
    length: number,
    options?: OperationOptions,
  ): Promise<Uint8Array>;
  /**
   * Adds a lease to each share of a file that the server has, or renews it: for as long as the server grants, 31 days
   * for Tahoe-LAFS. Without shares there it does nothing.
   */
  addLease(storageIndex: Uint8Array, lease: LeaseSecretsFor, options?: OperationOptions): Promise<void>;
  /**
   * Tells the server's owner that a share is not what it should be. The server removes nothing: it need not believe.
   * @param reason in words, at most 32,765 bytes of UTF-8.
   */
  adviseCorrupt(
    storageIndex: Uint8Array,
    shareNumber: number,
    reason: string,
    options?: OperationOptions,
  ): Promise<void>;
}
