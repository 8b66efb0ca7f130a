// `node --allow FILE`: the clients that may use a node, by their public keys; read again when the file changes, and on
// SIGHUP. Whatever becomes of the file, the node is never open to everybody: a line that is no key lets nobody in, and a
// file that cannot be read, or is being written, leaves the list as it was.

import { unwatchFile, watchFile } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Clock, Timer } from '../base/clock.ts';
import { formatKey, parseKey } from '../session/identity.ts';
import { systemClock } from '../transport/system-clock.ts';
import { fileProblem, isErrnoException, usageError } from './failure.ts';
import type { CliIo } from './io.ts';
import { quoteName } from './units.ts';

/** How often the file is looked at: a list that is replaced by renaming is no longer the file that a watch is on. */
const POLL_MS = 500;

/** What a file says is taken when it says the same for so long: who writes it in place is not in the middle of it. */
export const SETTLED_AFTER_MS = 500;

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
  readonly #clock: Clock;
  readonly #hangups: Disposable;
  #keys: ReadonlySet<string>;
  /** Of the reading begun last: an older one that ends later changes nothing. */
  #reading = 0;
  #timer: Timer | undefined;

  /** Reads the file and follows it until it is disposed. @throws CliError when it cannot be read. */
  static async open(path: string, io: CliIo, clock: Clock = systemClock): Promise<AllowList> {
    try {
      return new AllowList(path, await readFile(path, 'utf8'), io, clock);
    } catch (error) {
      if (!isErrnoException(error)) throw error;
      throw usageError(
        `the list of allowed clients cannot be read: ${fileProblem(error, path)}`,
        'write it, one public key a line, as "nevermind key FILE" prints it; an empty one lets nobody in',
      );
    }
  }

  private constructor(path: string, text: string, io: CliIo, clock: Clock) {
    this.#path = path;
    this.#io = io;
    this.#clock = clock;
    this.#keys = this.#take(text);
    this.#hangups = io.takeHangups(() => void this.#reload());
    watchFile(path, { interval: POLL_MS, persistent: false }, this.#onChange);
  }

  /** Whether the owner of this public key may call. */
  readonly allows = (clientKey: string): boolean => this.#keys.has(clientKey);

  [Symbol.dispose](): void {
    unwatchFile(this.#path, this.#onChange);
    this.#hangups[Symbol.dispose]();
    this.#reading++;
    this.#timer?.cancel();
  }

  readonly #onChange = (): void => void this.#follow(undefined);

  /** The owner says that it is complete. */
  async #reload(): Promise<void> {
    const text = await this.#read();
    if (text !== undefined) this.#keys = this.#take(text);
  }

  /** Takes what the file says if it is what it said `before`; else looks again. */
  async #follow(before: string | undefined): Promise<void> {
    const text = await this.#read();
    if (text === undefined) return;
    if (text === before) this.#keys = this.#take(text);
    else this.#timer = this.#clock.setTimer(SETTLED_AFTER_MS, () => void this.#follow(text));
  }

  /** What the file says; `undefined` when it cannot be read, or a later reading has begun. */
  async #read(): Promise<string | undefined> {
    this.#timer?.cancel();
    const reading = ++this.#reading;
    try {
      const text = await readFile(this.#path, 'utf8');
      return reading === this.#reading ? text : undefined;
    } catch (error) {
      const problem = isErrnoException(error) ? fileProblem(error, this.#path) : String(error);
      if (reading === this.#reading)
        this.#complain(`the list of allowed clients stays as it was: ${problem}`);
      return undefined;
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
