// What clients said of damaged shares, for the server's owner: one file each, `TIME--STORAGE INDEX-SHARE`, written as
// Tahoe-LAFS does.
// Bounded, for clients may say anything.

import { join, resolve } from 'node:path';
import { diskError } from './disk-error.ts';
import type { Files } from './files.ts';
import type { ShareName } from './share-folder.ts';

/** Files kept; what comes after is not written down. */
const ADVISORIES_MAX = 1000;

/** The folder `corruption-advisories`, made with the first advice. */
export class CorruptionAdvisories {
  readonly #files: Files;
  readonly #path: string;
  /** `storage index-share number` of what was advised; undefined before the folder was looked at. */
  #known: Set<string> | undefined;

  /** `path` is the folder that holds `shares`. */
  constructor(files: Files, path: string) {
    this.#files = files;
    this.#path = resolve(path, 'corruption-advisories');
  }

  /** Writes down what is said of a share, unless something was said of it already. @throws StorageError */
  async add(share: ShareName, reason: string, unixSeconds: number): Promise<void> {
    const name = `${share.storageIndexText}-${share.shareNumber}`;
    try {
      this.#known ??= await this.#readNames();
      if (this.#known.has(name) || this.#known.size >= ADVISORIES_MAX) return;
      this.#known.add(name);
      await this.#write(`${Math.floor(unixSeconds)}--${name}`, reportOf(share, reason));
    } catch (error) {
      this.#known?.delete(name);
      throw diskError(error, `writing down what was said of share ${share.id}`);
    }
  }

  async #readNames(): Promise<Set<string>> {
    await this.#files.makeFolders(this.#path);
    const names = await this.#files.list(this.#path);
    return new Set(names.map((name) => name.split('--')[1] ?? name));
  }

  async #write(name: string, text: string): Promise<void> {
    const file = await this.#files.open(join(this.#path, name), 'create');
    try {
      await file.write(Buffer.from(text), 0);
    } finally {
      await file.close();
    }
  }
}

function reportOf({ storageIndexText, shareNumber }: ShareName, reason: string): string {
  const lines = [
    'report: Share Corruption',
    'type: immutable',
    `storage_index: ${storageIndexText}`,
    `share_number: ${shareNumber}`,
    '',
    // One line, and no control characters: the owner may look at it in a terminal.
    reason.replace(/\p{Cc}+/gu, ' '),
    '',
  ];
  return `${lines.join('\n')}\n`;
}
