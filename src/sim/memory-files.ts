// A disk in memory for the simulator and for tests: it fails when told to, and a crash loses of what was not
// synced as much as a real disk may. Paths are POSIX; who uses the files is not known here.

import { posix } from 'node:path';
import type { Random } from '../base/random.ts';
import type { FileAccess, FileStat, Files, OpenFile } from '../storage/files.ts';

/** One file operation that is about to be done. */
export interface FileOperation {
  readonly kind: keyof Files | `file.${keyof OpenFile}`;
  readonly path: string;
  /** Operations before this one since the disk was made. */
  readonly index: number;
}

/**
 * What happens instead of an operation: it fails with an error code such as `EIO`, without effect; or the machine
 * crashes just after it had its effect and before that was synced or reported. Undefined: nothing.
 */
export type Fault = { readonly code: string } | 'crash' | undefined;

/** How a disk in memory behaves. */
export interface MemoryFilesOptions {
  /** Decides what a crash loses and where a write is torn. */
  readonly random: Random;
  /** Bytes of file content that it holds; beyond, ENOSPC. Default: no limit. */
  readonly capacityBytes?: number | undefined;
  /** Asked before each operation; the operation waits for a promise. */
  readonly fault?: ((operation: FileOperation) => Fault | Promise<Fault>) | undefined;
}

/**
 * A file system in memory. Content is durable after `sync` of its file, a name after `syncFolder` of its
 * folder. {@link crash} keeps that, and of each later write and change of a name keeps all, nothing, or (of a
 * write) a first part. From a crash on everything fails with ECRASHED until {@link restart}; files opened before
 * stay unusable.
 */
export class MemoryFiles implements Files {
  fault: MemoryFilesOptions['fault'];
  capacityBytes: number;
  readonly #random: Random;
  #root = new Folder();
  #operations = 0;
  #crashed = false;
  /** Goes up with each crash: an open file of an earlier run is dead. */
  #run = 0;
  #openFiles = 0;

  constructor(options: MemoryFilesOptions) {
    this.#random = options.random;
    this.fault = options.fault;
    this.capacityBytes = options.capacityBytes ?? Number.POSITIVE_INFINITY;
  }

  /** Operations done or refused so far. */
  get operations(): number {
    return this.#operations;
  }

  /** Files opened and not closed since the last crash. */
  get openFiles(): number {
    return this.#openFiles;
  }

  get usedBytes(): number {
    return contentBytes(this.#root, new Set());
  }

  /** Paths of all files, ascending. */
  paths(): string[] {
    return [...filePaths(this.#root, '')].sort();
  }

  /** Loses what a power cut may lose; then nothing works until {@link restart}. */
  crash(): void {
    this.#crashed = true;
    this.#run++;
    this.#openFiles = 0;
    this.#root.crash(this.#random, new Set());
  }

  restart(): void {
    this.#crashed = false;
  }

  makeFolders(path: string): Promise<string | undefined> {
    return this.#operation('makeFolders', path, () => {
      let folder = this.#root;
      let at = '/';
      let topmost: string | undefined;
      for (const name of namesOf(path)) {
        at = posix.join(at, name);
        let next = folder.names.get(name);
        if (next === undefined) {
          next = new Folder();
          folder.names.set(name, next);
          topmost ??= at;
        }
        if (!(next instanceof Folder)) throw fileError('ENOTDIR', 'mkdir', at);
        folder = next;
      }
      return topmost;
    });
  }

  list(path: string): Promise<readonly string[]> {
    return this.#operation('list', path, () => [...this.#folder(path).names.keys()]);
  }

  stat(path: string): Promise<FileStat> {
    return this.#operation('stat', path, () => {
      const node = this.#node(path);
      return node instanceof Folder
        ? { kind: 'folder', sizeBytes: 0 }
        : { kind: 'file', sizeBytes: node.sizeBytes };
    });
  }

  open(path: string, access: FileAccess): Promise<OpenFile> {
    return this.#operation('open', path, () => {
      const { folder, name } = this.#place(path);
      let node = folder.names.get(name);
      if (node === undefined && access === 'create') {
        node = new File();
        folder.names.set(name, node);
      }
      if (node === undefined) throw fileError('ENOENT', 'open', path);
      if (node instanceof Folder) throw fileError('EISDIR', 'open', path);
      if (access === 'create') node.truncate(0);
      this.#openFiles++;
      return this.#handle(path, node, access);
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#operation('rename', from, () => {
      const source = this.#place(from);
      const target = this.#place(to);
      const node = source.folder.names.get(source.name);
      if (node === undefined) throw fileError('ENOENT', 'rename', from);
      if (target.folder.names.get(target.name) instanceof Folder) throw fileError('EISDIR', 'rename', to);
      source.folder.names.delete(source.name);
      target.folder.names.set(target.name, node);
    });
  }

  unlink(path: string): Promise<void> {
    return this.#operation('unlink', path, () => {
      const { folder, name } = this.#place(path);
      const node = folder.names.get(name);
      if (node === undefined) throw fileError('ENOENT', 'unlink', path);
      if (node instanceof Folder) throw fileError('EISDIR', 'unlink', path);
      folder.names.delete(name);
    });
  }

  removeFolder(path: string): Promise<void> {
    return this.#operation('removeFolder', path, () => {
      if (this.#folder(path).names.size > 0) throw fileError('ENOTEMPTY', 'rmdir', path);
      const { folder, name } = this.#place(path);
      folder.names.delete(name);
    });
  }

  async syncFolder(path: string): Promise<void> {
    await this.#operation(
      'syncFolder',
      path,
      () => this.#folder(path),
      (folder) => folder.sync(),
    );
  }

  freeBytes(path: string): Promise<number> {
    return this.#operation('freeBytes', path, () => {
      this.#node(path);
      return Math.max(0, Math.min(this.capacityBytes, Number.MAX_SAFE_INTEGER) - this.usedBytes);
    });
  }

  #handle(path: string, file: File, access: FileAccess): OpenFile {
    const run = this.#run;
    let closed = false;
    const operation = <T>(kind: keyof OpenFile, effect: () => T, ifNoCrash?: () => void): Promise<T> =>
      this.#operation(
        `file.${kind}`,
        path,
        () => {
          if (closed || run !== this.#run) throw fileError('EBADF', kind, path);
          return effect();
        },
        ifNoCrash,
      );
    const changeSize = (sizeBytes: number): void => {
      if (access === 'read') throw fileError('EBADF', 'write', path);
      if (this.capacityBytes === Number.POSITIVE_INFINITY) return;
      const grownBytes = sizeBytes - file.sizeBytes;
      if (grownBytes > 0 && grownBytes > this.capacityBytes - this.usedBytes) {
        throw fileError('ENOSPC', 'write', path);
      }
    };
    return {
      read: (into, position) => operation('read', () => file.read(into, position)),
      write: (bytes, position) =>
        operation('write', () => {
          changeSize(Math.max(file.sizeBytes, position + bytes.length));
          file.write(new Uint8Array(bytes), position);
        }),
      sizeBytes: () => operation('sizeBytes', () => file.sizeBytes),
      truncate: (sizeBytes) =>
        operation('truncate', () => {
          changeSize(sizeBytes);
          file.truncate(sizeBytes);
        }),
      sync: () =>
        operation(
          'sync',
          () => {},
          () => file.sync(),
        ),
      // A close that fails has closed the file all the same, as on Linux.
      close: () =>
        operation('close', () => {}).finally(() => {
          if (closed || run !== this.#run) return;
          closed = true;
          this.#openFiles--;
        }),
    };
  }

  /** Every operation: asks for a fault, has its effect at once, and becomes durable unless a crash prevents it. */
  async #operation<T>(
    kind: FileOperation['kind'],
    path: string,
    effect: () => T,
    makeDurable?: (result: T) => void,
  ): Promise<T> {
    if (this.#crashed) throw fileError('ECRASHED', kind, path);
    const run = this.#run;
    const fault = await this.fault?.({ kind, path, index: this.#operations++ });
    if (this.#crashed || run !== this.#run) throw fileError('ECRASHED', kind, path);
    if (typeof fault === 'object') throw fileError(fault.code, kind, path);
    if (fault === 'crash') {
      try {
        effect();
      } catch {
        // It would have failed: nobody is left to hear of that.
      }
      this.crash();
      throw fileError('ECRASHED', kind, path);
    }
    const result = effect();
    makeDurable?.(result);
    return result;
  }

  #place(path: string): { folder: Folder; name: string } {
    return { folder: this.#folder(posix.dirname(path)), name: posix.basename(path) };
  }

  #folder(path: string): Folder {
    const node = this.#node(path);
    if (!(node instanceof Folder)) throw fileError('ENOTDIR', 'open', path);
    return node;
  }

  #node(path: string): Folder | File {
    let node: Folder | File = this.#root;
    for (const name of namesOf(path)) {
      if (!(node instanceof Folder)) throw fileError('ENOTDIR', 'open', path);
      const next: Folder | File | undefined = node.names.get(name);
      if (next === undefined) throw fileError('ENOENT', 'open', path);
      node = next;
    }
    return node;
  }
}

class Folder {
  names = new Map<string, Folder | File>();
  #durable: ReadonlyMap<string, Folder | File> = new Map();

  sync(): void {
    this.#durable = new Map(this.names);
  }

  /** Each name by itself is as it was synced or as it is now; so is everything below what stays. */
  crash(random: Random, done: Set<Folder | File>): void {
    const after = new Map<string, Folder | File>();
    for (const name of new Set([...this.#durable.keys(), ...this.names.keys()])) {
      const synced = this.#durable.get(name);
      const latest = this.names.get(name);
      const kept = synced === latest || random.float() < 0.5 ? latest : synced;
      if (kept !== undefined) after.set(name, kept);
    }
    this.names = after;
    this.sync();
    for (const node of after.values()) {
      // A rename that is half there leaves two names for one file.
      if (done.has(node)) continue;
      done.add(node);
      node.crash(random, done);
    }
  }
}

type Change = { readonly position: number; readonly bytes: Uint8Array } | { readonly sizeBytes: number };

class File {
  #content = new Uint8Array(0);
  sizeBytes = 0;
  #durable = new Uint8Array(0);
  /** Since the last sync, in order. */
  #changes: Change[] = [];

  read(into: Uint8Array, position: number): number {
    const found = this.#content.subarray(Math.min(position, this.sizeBytes), this.sizeBytes);
    const part = found.subarray(0, into.length);
    into.set(part);
    return part.length;
  }

  /** Keeps `bytes`. */
  write(bytes: Uint8Array, position: number): void {
    this.#changes.push({ position, bytes });
    this.#apply({ position, bytes });
  }

  truncate(sizeBytes: number): void {
    this.#changes.push({ sizeBytes });
    this.#apply({ sizeBytes });
  }

  sync(): void {
    this.#durable = this.#content.slice(0, this.sizeBytes);
    this.#changes = [];
  }

  crash(random: Random): void {
    const changes = this.#changes;
    this.#content = this.#durable.slice();
    this.sizeBytes = this.#durable.length;
    for (const change of changes) {
      const fate = random.float();
      if (fate < 1 / 3) continue;
      const torn = fate > 2 / 3 && 'bytes' in change;
      this.#apply(torn ? { ...change, bytes: firstPart(change.bytes, random) } : change);
    }
    this.sync();
  }

  #apply(change: Change): void {
    const cut = 'sizeBytes' in change;
    const sizeBytes = cut
      ? change.sizeBytes
      : Math.max(this.sizeBytes, change.position + change.bytes.length);
    if (sizeBytes > this.#content.length) {
      const grown = new Uint8Array(Math.max(sizeBytes, 2 * this.#content.length));
      grown.set(this.#content.subarray(0, this.sizeBytes));
      this.#content = grown;
    }
    if (cut) this.#content.fill(0, sizeBytes);
    else this.#content.set(change.bytes, change.position);
    this.sizeBytes = sizeBytes;
  }
}

function firstPart(bytes: Uint8Array, random: Random): Uint8Array {
  return bytes.subarray(0, Math.floor(random.float() * bytes.length));
}

function contentBytes(folder: Folder, counted: Set<File>): number {
  let bytes = 0;
  for (const node of folder.names.values()) {
    if (node instanceof Folder) bytes += contentBytes(node, counted);
    else if (!counted.has(node)) {
      counted.add(node);
      bytes += node.sizeBytes;
    }
  }
  return bytes;
}

function* filePaths(folder: Folder, above: string): Generator<string> {
  for (const [name, node] of folder.names) {
    const path = `${above}/${name}`;
    if (node instanceof Folder) yield* filePaths(node, path);
    else yield path;
  }
}

function namesOf(path: string): string[] {
  if (!posix.isAbsolute(path)) throw fileError('EINVAL', 'open', path);
  return posix
    .normalize(path)
    .split('/')
    .filter((name) => name !== '');
}

function fileError(code: string, operation: string, path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${operation} '${path}'`), { code, path, syscall: operation });
}
