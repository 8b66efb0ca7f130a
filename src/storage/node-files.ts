// The file operations of a storage server on a real disk, over node:fs. Policy (what to sync when, what an
// error means) is left to the server.

import { close, fstat, fsync, ftruncate, open, read, type Stats, write } from 'node:fs';
import { lstat, mkdir, readdir, rename, rmdir, statfs, unlink } from 'node:fs/promises';
import type { FileAccess, FileStat, Files, OpenFile } from './files.ts';

/** The machine's own file system. */
export const nodeFiles: Files = {
  makeFolders: (path) => mkdir(path, { recursive: true }),
  list: (path) => readdir(path),
  async stat(path): Promise<FileStat> {
    const found = await lstat(path);
    return { kind: found.isDirectory() ? 'folder' : 'file', sizeBytes: found.size };
  },
  async open(path, access): Promise<OpenFile> {
    return new NodeFile(await openDescriptor(path, FLAGS[access]));
  },
  rename,
  unlink,
  removeFolder: (path) => rmdir(path),
  async syncFolder(path): Promise<void> {
    // Windows cannot open a folder to sync it; NTFS journals its names.
    if (process.platform === 'win32') return;
    const folder = new NodeFile(await openDescriptor(path, 'r'));
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  },
  async freeBytes(path): Promise<number> {
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize;
  },
};

const FLAGS: Readonly<Record<FileAccess, string>> = { create: 'w+', read: 'r', 'read-write': 'r+' };

/** Over plain descriptors: FileHandle's promises cost twice the processor time of a callback (measured). */
class NodeFile implements OpenFile {
  readonly #descriptor: number;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    let done = 0;
    while (done < into.length) {
      const readBytes = await promised<number>((callback) =>
        read(this.#descriptor, into, done, into.length - done, position + done, callback),
      );
      if (readBytes === 0) break;
      done += readBytes;
    }
    return done;
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    // A write may be cut short, by a disk that is nearly full for one; going on gets the reason.
    let done = 0;
    while (done < bytes.length) {
      done += await promised<number>((callback) =>
        write(this.#descriptor, bytes, done, bytes.length - done, position + done, callback),
      );
    }
  }

  async sizeBytes(): Promise<number> {
    return (await promised<Stats>((callback) => fstat(this.#descriptor, callback))).size;
  }

  truncate(sizeBytes: number): Promise<void> {
    return promised((callback) => ftruncate(this.#descriptor, sizeBytes, callback));
  }

  sync(): Promise<void> {
    return promised((callback) => fsync(this.#descriptor, callback));
  }

  close(): Promise<void> {
    return promised((callback) => close(this.#descriptor, callback));
  }
}

function openDescriptor(path: string, flags: string): Promise<number> {
  return promised((callback) => open(path, flags, callback));
}

type Callback<T> = (error: NodeJS.ErrnoException | null, result: T) => void;

function promised<T>(start: (callback: Callback<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, result) => (error ? reject(error) : resolve(result)));
  });
}
