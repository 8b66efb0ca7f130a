// The file operations of a storage server on a real disk, over node:fs. Policy (what to sync when, what an
// error means) is left to the server.

import { type FileHandle, mkdir, open, readdir, rename, rmdir, stat, statfs, unlink } from 'node:fs/promises';
import type { FileAccess, FileStat, Files, OpenFile } from './files.ts';

/** The machine's own file system. */
export const nodeFiles: Files = {
  makeFolders: (path) => mkdir(path, { recursive: true }),
  list: (path) => readdir(path),
  async stat(path): Promise<FileStat> {
    const found = await stat(path);
    return { kind: found.isDirectory() ? 'folder' : 'file', sizeBytes: found.size };
  },
  async open(path, access): Promise<OpenFile> {
    return new NodeFile(await open(path, FLAGS[access]));
  },
  rename,
  unlink,
  removeFolder: (path) => rmdir(path),
  async syncFolder(path): Promise<void> {
    // Windows cannot open a folder to sync it; NTFS journals its names.
    if (process.platform === 'win32') return;
    const folder = await open(path, 'r');
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

class NodeFile implements OpenFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    let done = 0;
    while (done < into.length) {
      const { bytesRead } = await this.#handle.read(into, done, into.length - done, position + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return done;
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    // A write may be cut short, by a disk that is nearly full for one; going on gets the reason.
    let done = 0;
    while (done < bytes.length) {
      const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, position + done);
      done += bytesWritten;
    }
  }

  async sizeBytes(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.#handle.truncate(sizeBytes);
  }

  sync(): Promise<void> {
    return this.#handle.sync();
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}
