// The few file operations that a storage server needs, as a seam: node-files.ts does them on a real disk,
// sim/memory-files.ts in memory with faults and crashes. What is stored where is not known here.

/** How a file is opened: `create` makes it or empties it; the others fail with ENOENT when it is not there. */
export type FileAccess = 'create' | 'read' | 'read-write';

/** An open file. Operations may overlap; the caller keeps `bytes` and `into` alone until they settle. */
export interface OpenFile {
  /** Fills `into` from `position`; resolves to the bytes read, fewer than asked only at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number>;
  /** Writes all of `bytes` at `position`; a gap before it reads as zeros. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  sizeBytes(): Promise<number>;
  /** Cuts or extends (with zeros) the file. */
  truncate(sizeBytes: number): Promise<void>;
  /** Resolves when content and size are on the disk. After a failure nothing is known of what is. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** What there is under a path. */
export interface FileStat {
  readonly kind: 'file' | 'folder';
  readonly sizeBytes: number;
}

/**
 * A file system. Paths are absolute. Every operation rejects with an error whose `code` is that of Node
 * (ENOENT, ENOSPC, EIO, …).
 */
export interface Files {
  /** Makes a folder and those above it; resolves to the topmost one made, undefined when all were there. */
  makeFolders(path: string): Promise<string | undefined>;
  /** Names in a folder, in no particular order. */
  list(path: string): Promise<readonly string[]>;
  /** A symbolic link is a file, whatever it points to. */
  stat(path: string): Promise<FileStat>;
  open(path: string, access: FileAccess): Promise<OpenFile>;
  /** Replaces what `to` names. */
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** ENOTEMPTY unless the folder is empty. */
  removeFolder(path: string): Promise<void>;
  /** Resolves when the names in a folder (not in folders below) are on the disk as they are now. */
  syncFolder(path: string): Promise<void>;
  /** Bytes that an ordinary user may still write on the file system that holds `path`. */
  freeBytes(path: string): Promise<number>;
}

/** The `code` of a file system's error, if it has one. */
export function fileErrorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
