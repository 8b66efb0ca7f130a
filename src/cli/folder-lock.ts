// Keeps a second node process out of a folder. The lock is a file that names the process which holds it; the lock
// of a process that is gone (killed, power cut) is taken over. Processes on other machines are not seen.

import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { constants, copyFile, link, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { atExit } from './cleanup.ts';
import { EXIT } from './exit-codes.ts';
import { CliError, isErrnoException } from './failure.ts';
import { quoteName } from './units.ts';

/** Which process holds a lock. A pid alone is not enough: after a while another process gets it. */
interface Holder {
  readonly pid: number;
  /** What tells this process from an earlier or later one with its pid; null where the system does not say. */
  readonly startedAt: string | null;
}

/**
 * Takes the lock of `folder` until it is disposed or the process ends.
 * @throws CliError FOLDER_IN_USE when a living process holds it.
 */
export async function lockFolder(folder: string): Promise<AsyncDisposable> {
  const taken = await takeLock(join(folder, LOCK_NAME));
  if (!('heldBy' in taken)) return taken;
  throw new CliError(`the folder ${quoteName(folder)} is in use: process ${taken.heldBy.pid} holds it`, {
    code: 'FOLDER_IN_USE',
    exitCode: EXIT.other,
    next: 'stop that process, or give this node a folder of its own with --dir',
  });
}

/** The lock at `path`, or the living process that holds it. */
async function takeLock(path: string): Promise<AsyncDisposable | { readonly heldBy: Holder }> {
  const mine = `${path}.${randomBytes(8).toString('hex')}`;
  const holder: Holder = { pid: process.pid, startedAt: await startOf(process.pid) };
  // Written aside and linked: whoever sees the lock sees who holds it.
  await writeFile(mine, `${JSON.stringify(holder)}\n`, { flag: 'wx' });
  try {
    for (;;) {
      if (await tryLink(mine, path)) return held(path);
      const current = await readHolder(path);
      if (current === 'gone') continue;
      if (await isAlive(current)) return { heldBy: current as Holder };
      await evictDead(path);
    }
  } finally {
    await rm(mine, { force: true });
  }
}

function held(path: string): AsyncDisposable {
  const guard = atExit(() => rmSync(path, { force: true }));
  return {
    async [Symbol.asyncDispose](): Promise<void> {
      await rm(path, { force: true });
      guard[Symbol.dispose]();
    },
  };
}

/**
 * Removes the lock at `path` if its holder is still a dead one. Only who holds the lock's own lock may do that: what
 * has been found dead may be somebody's living lock a moment later.
 */
async function evictDead(path: string): Promise<void> {
  const right = await takeLock(`${path}.evict`);
  if ('heldBy' in right) {
    // Another process, or another part of this one, is doing it: it takes a few file operations.
    await setTimeout(EVICTION_MS);
    return;
  }
  try {
    const current = await readHolder(path);
    if (current !== 'gone' && !(await isAlive(current))) await rm(path, { force: true });
  } finally {
    await right[Symbol.asyncDispose]();
  }
}

async function tryLink(mine: string, path: string): Promise<boolean> {
  try {
    await link(mine, path).catch((error: unknown) => {
      // FAT and some network file systems have no links; there a reader may see the lock half written for a moment.
      if (isErrnoException(error) && NO_LINKS.has(error.code))
        return copyFile(mine, path, constants.COPYFILE_EXCL);
      throw error;
    });
    return true;
  } catch (error) {
    if (isErrnoException(error) && error.code === 'EEXIST') return false;
    throw error;
  }
}

async function readHolder(path: string): Promise<Holder | 'unreadable' | 'gone'> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (isErrnoException(error) && error.code === 'ENOENT') return 'gone';
    throw error;
  }
  try {
    const { pid, startedAt } = JSON.parse(text) as Partial<Holder>;
    if (Number.isSafeInteger(pid) && pid! > 0) return { pid: pid!, startedAt: startedAt ?? null };
  } catch {
    // A disk that lost power may keep the name of a file and lose what is in it.
  }
  return 'unreadable';
}

async function isAlive(holder: Holder | 'unreadable'): Promise<boolean> {
  if (holder === 'unreadable') return false;
  const { pid, startedAt } = holder;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is there, and it is somebody else's.
    if (isErrnoException(error) && error.code === 'ESRCH') return false;
  }
  // The lock's own process is this one only when somebody wrote our pid before us: an earlier boot, a container.
  if (startedAt === null) return pid !== process.pid;
  const now = await startOf(pid);
  return now === null || now === startedAt;
}

/** Boot and start time of a process, from Linux's /proc; null elsewhere. */
async function startOf(pid: number): Promise<string | null> {
  try {
    const [boot, stat] = await Promise.all([
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
      readFile(`/proc/${pid}/stat`, 'utf8'),
    ]);
    // The second field, the command's name, may hold anything, also spaces and parentheses (proc(5)).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const isZombie = fields[STAT_STATE] === 'Z';
    return isZombie ? 'ended' : `${boot.trim()} ${fields[STAT_START_TIME]}`;
  } catch {
    return null;
  }
}

const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);
const LOCK_NAME = 'node.lock';
const EVICTION_MS = 5;
/** Fields of /proc/PID/stat, counted from the one after the command's name. */
const STAT_STATE = 0;
const STAT_START_TIME = 19;
