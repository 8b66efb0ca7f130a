// Where shares lie: Tahoe-LAFS's folders, shares/<2 letters>/<storage index>/<number>, and below
// shares/incoming the same for those that are not finished. Knows names, and how a name is made durable; what
// is in the files and who may write them is left to others.

import { dirname, join, resolve } from 'node:path';
import { base32Encode } from '../base/base32.ts';
import { ignoring } from './disk-error.ts';
import { type FileAccess, type Files, fileErrorCode, type OpenFile } from './files.ts';
import { KeyedQueue } from './queues.ts';
import { isShareNumber } from './request-checks.ts';

const INCOMING = 'incoming';
/** Two base32 letters: there cannot be more folders of that kind. */
const PREFIX_LETTERS = 2;

/** One share of one file, by name; `id` is unique among all. */
export interface ShareName {
  readonly id: string;
  readonly storageIndexText: string;
  readonly shareNumber: number;
}

export function shareName(storageIndex: Uint8Array, shareNumber: number): ShareName {
  return shareNameOf(base32Encode(storageIndex), shareNumber);
}

export function shareNameOf(storageIndexText: string, shareNumber: number): ShareName {
  return { id: `${storageIndexText}/${shareNumber}`, storageIndexText, shareNumber };
}

/** The folder `shares` and what is below. Rejects with the file system's errors. */
export class ShareFolder {
  readonly #files: Files;
  readonly #path: string;
  /**
   * What changes folders below one prefix runs one after another, so that nobody removes an empty folder
   * which somebody else is about to use.
   */
  readonly #queue = new KeyedQueue();
  /** Prefix folders whose own names are known to be on the disk. */
  readonly #durablePrefixes = new Set<string>();

  /** `path` is the folder that holds `shares`, as Tahoe-LAFS's NODEDIR/storage. */
  constructor(files: Files, path: string) {
    this.#files = files;
    this.#path = resolve(path, 'shares');
  }

  /** Makes the folders there must be, durably, and removes what an earlier run left unfinished. */
  async prepare(): Promise<void> {
    const incoming = join(this.#path, INCOMING);
    const topmostMade = await this.#files.makeFolders(incoming);
    await removeContents(this.#files, incoming);
    // A share is as durable as the names of all folders above it; that of `shares` at least may be left over
    // from a run that was killed before it got here.
    const topmost = dirname(topmostMade ?? this.#path);
    let folder = this.#path;
    do {
      folder = dirname(folder);
      await this.#files.syncFolder(folder);
    } while (folder.length > topmost.length);
  }

  /** Rejects unless the folder is there and can be listed. Changes nothing. */
  async checkReadable(): Promise<void> {
    await this.#files.list(this.#path);
  }

  freeBytes(): Promise<number> {
    return this.#files.freeBytes(this.#path);
  }

  /** Runs `task` while nothing is created, finished or removed in the folders of this share's prefix. */
  exclusively<T>(share: ShareName, task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#queue.run(prefixOf(share.storageIndexText), task, signal);
  }

  /** Numbers of the files in a share folder, ascending; empty when it is not there. */
  async list(storageIndexText: string): Promise<number[]> {
    try {
      const names = await this.#files.list(this.#finishedFolder(storageIndexText));
      return names
        .filter((name) => SHARE_FILE_NAME.test(name))
        .map(Number)
        .filter(isShareNumber)
        .sort((a, b) => a - b);
    } catch (error) {
      if (fileErrorCode(error) === 'ENOENT') return [];
      throw error;
    }
  }

  /** Names of the folders that hold finished shares, in no particular order. */
  async prefixes(): Promise<string[]> {
    return (await this.#files.list(this.#path)).filter((name) => PREFIX_NAME.test(name));
  }

  /** The storage indexes below one of them. */
  async storageIndexesOf(prefix: string): Promise<string[]> {
    const names = await this.#files.list(join(this.#path, prefix));
    return names.filter((name) => STORAGE_INDEX_NAME.test(name) && name.startsWith(prefix));
  }

  /** Removes a finished share, and its folder with the last one. Inside {@link exclusively}. */
  async removeFinished(share: ShareName): Promise<void> {
    await this.#files.unlink(this.#finishedPath(share));
    await ignoring(
      ['ENOTEMPTY', 'EEXIST', 'ENOENT'],
      this.#files.removeFolder(this.#finishedFolder(share.storageIndexText)),
    );
  }

  openFinished(share: ShareName, access: Exclude<FileAccess, 'create'> = 'read'): Promise<OpenFile> {
    return this.#files.open(this.#finishedPath(share), access);
  }

  incomingPath(share: ShareName): string {
    return join(this.#incomingFolder(share), String(share.shareNumber));
  }

  /** Makes the folder of an upload. Inside {@link exclusively}. */
  async makeIncomingFolder(share: ShareName): Promise<void> {
    await this.#files.makeFolders(this.#incomingFolder(share));
  }

  /** Removes what there is of an upload, and the folders that it leaves empty. Inside {@link exclusively}. */
  async removeIncoming(share: ShareName): Promise<void> {
    await ignoring(['ENOENT'], this.#files.unlink(this.incomingPath(share)));
    await this.#removeEmptyIncomingFolders(share);
  }

  /**
   * Gives an upload, whose content has been synced, its final name; resolves when that name is on the disk.
   * When a folder cannot be synced the final name is taken away again.
   */
  async finish(share: ShareName): Promise<void> {
    await this.exclusively(share, async () => {
      await this.#files.makeFolders(this.#finishedFolder(share.storageIndexText));
      await this.#files.rename(this.incomingPath(share), this.#finishedPath(share));
    });
    try {
      await this.#syncNames(share);
    } catch (error) {
      await this.#files.unlink(this.#finishedPath(share)).catch(() => {});
      throw error;
    }
    // The share is safe by now; an empty folder that stays goes with the next upload or start.
    await this.exclusively(share, () => this.#removeEmptyIncomingFolders(share)).catch(() => {});
  }

  async #syncNames(share: ShareName): Promise<void> {
    const prefix = prefixOf(share.storageIndexText);
    const prefixFolder = join(this.#path, prefix);
    const syncs = [
      this.#files.syncFolder(this.#finishedFolder(share.storageIndexText)),
      this.#files.syncFolder(prefixFolder),
      // Another upload of the same file that ended meanwhile may have taken the folder away.
      ignoring(['ENOENT'], this.#files.syncFolder(this.#incomingFolder(share))),
    ];
    if (!this.#durablePrefixes.has(prefix)) syncs.push(this.#files.syncFolder(this.#path));
    // All of them at once share one commit of the file system's journal; and all have ended when one failed.
    const outcomes = await Promise.allSettled(syncs);
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    this.#durablePrefixes.add(prefix);
  }

  async #removeEmptyIncomingFolders(share: ShareName): Promise<void> {
    const folder = this.#incomingFolder(share);
    for (const empty of [folder, dirname(folder)]) {
      try {
        await this.#files.removeFolder(empty);
      } catch (error) {
        // POSIX lets a system say EEXIST instead of ENOTEMPTY.
        if (['ENOTEMPTY', 'EEXIST'].includes(fileErrorCode(error) ?? '')) return;
        if (fileErrorCode(error) !== 'ENOENT') throw error;
      }
    }
  }

  #finishedFolder(storageIndexText: string): string {
    return join(this.#path, prefixOf(storageIndexText), storageIndexText);
  }

  #finishedPath(share: ShareName): string {
    return join(this.#finishedFolder(share.storageIndexText), String(share.shareNumber));
  }

  #incomingFolder(share: ShareName): string {
    return join(this.#path, INCOMING, prefixOf(share.storageIndexText), share.storageIndexText);
  }
}

const PREFIX_NAME = /^[a-z2-7]{2}$/;
const STORAGE_INDEX_NAME = /^[a-z2-7]{26}$/;
const SHARE_FILE_NAME = /^(?:0|[1-9][0-9]{0,2})$/;

function prefixOf(storageIndexText: string): string {
  return storageIndexText.slice(0, PREFIX_LETTERS);
}

async function removeContents(files: Files, folder: string): Promise<void> {
  for (const name of await files.list(folder)) {
    const path = join(folder, name);
    if ((await files.stat(path)).kind === 'folder') {
      await removeContents(files, path);
      await files.removeFolder(path);
    } else {
      await files.unlink(path);
    }
  }
}
