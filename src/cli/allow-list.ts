// `node --allow FILE`: the clients that may use a node, by their public keys; read again when the file changes, and on
// SIGHUP. Whatever becomes of the file, the node is never open to everybody: a line that is no key lets nobody in, and a
// file that cannot be read leaves the list as it was.

import { unwatchFile, watchFile } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { formatKey, parseKey } from '../session/identity.ts';
import { fileProblem, isErrnoException, usageError } from './failure.ts';
import type { CliIo } from './io.ts';
import { quoteName } from './units.ts';

/** How often the file is looked at: a list that is replaced by renaming is no longer the file that a watch is on. */
const POLL_MS = 500;

/** What a list says, and what of it could not be used. */
export interface AllowedKeys {
  readonly keys: ReadonlySet<string>;
  /** In words, with the number of the line, and without what stands there. */
  readonly badLines: readonly string[];
}

/** Reads a list: a public key a line, then, behind a blank, whatever the owner notes; `#` begins a comment. */
export function parseAllowedKeys(text: string): AllowedKeys {
  const keys = new Set<string>();
  const badLines: string[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const [word = ''] = line.trim().split(/\s+/);
    if (word === '' || word.startsWith('#')) continue;
    const publicKey = parseKey(word);
    if (publicKey !== undefined) keys.add(formatKey(publicKey));
    else
      badLines.push(`line ${index + 1} does not begin with a public key of 43 characters and lets nobody in`);
  }
  return { keys, badLines };
}

/** The list as it is now. */
export class AllowList implements Disposable {
  readonly #path: string;
  readonly #io: CliIo;
  readonly #hangups: Disposable;
  #keys: ReadonlySet<string>;
  /** Of the reading begun last: an older one that ends later changes nothing. */
  #reading = 0;

  /** Reads the file and follows it until it is disposed. @throws CliError when it cannot be read. */
  static async open(path: string, io: CliIo): Promise<AllowList> {
    try {
      return new AllowList(path, await readFile(path, 'utf8'), io);
    } catch (error) {
      if (!isErrnoException(error)) throw error;
      throw usageError(
        `the list of allowed clients cannot be read: ${fileProblem(error, path)}`,
        'write it, one public key a line, as "nevermind key FILE" prints it; an empty one lets nobody in',
      );
    }
  }

  private constructor(path: string, text: string, io: CliIo) {
    this.#path = path;
    this.#io = io;
    this.#keys = this.#take(text);
    this.#hangups = io.takeHangups(() => void this.#reload());
    watchFile(path, { interval: POLL_MS, persistent: false }, this.#onChange);
  }

  /** Whether the owner of this public key may call. */
  readonly allows = (clientKey: string): boolean => this.#keys.has(clientKey);

  [Symbol.dispose](): void {
    unwatchFile(this.#path, this.#onChange);
    this.#hangups[Symbol.dispose]();
  }

  readonly #onChange = (): void => void this.#reload();

  async #reload(): Promise<void> {
    const reading = ++this.#reading;
    try {
      const text = await readFile(this.#path, 'utf8');
      if (reading === this.#reading) this.#keys = this.#take(text);
    } catch (error) {
      const problem = isErrnoException(error) ? fileProblem(error, this.#path) : String(error);
      this.#complain(`the list of allowed clients stays as it was: ${problem}`);
    }
  }

  #take(text: string): ReadonlySet<string> {
    const { keys, badLines } = parseAllowedKeys(text);
    for (const badLine of badLines) this.#complain(`${quoteName(this.#path)}, ${badLine}`);
    if (keys.size === 0) this.#complain(`${quoteName(this.#path)} names no client: nobody may use this node`);
    return keys;
  }

  #complain(problem: string): void {
    this.#io.stderr.write(`nevermind: ${problem}\n`);
  }
}
