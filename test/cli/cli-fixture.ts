// What the tests of the command line share: a process's streams in memory, folders that go away, and real
// processes that do not outlive their test.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { type CliEnv, type CliIo, Interrupted } from '../../src/cli/io.ts';
import { runCli } from '../../src/cli/program.ts';

/** A stream that keeps what is written to it. */
export class Captured extends Writable {
  readonly chunks: Buffer[] = [];
  isTTY?: boolean;
  columns?: number;

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    this.chunks.push(Buffer.from(chunk));
    done();
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  get text(): string {
    return this.bytes.toString();
  }
}

export interface FakeIo extends CliIo {
  readonly stdout: Captured;
  readonly stderr: Captured;
  /** What main.ts does at the first SIGINT. */
  interrupt(): void;
  /** What main.ts does at SIGHUP when somebody listens. */
  hangUp(): void;
}

export function fakeIo(
  options: { stdin?: Iterable<Uint8Array> | Readable; env?: CliEnv; columns?: number } = {},
): FakeIo {
  const stop = new AbortController();
  const hangups = new Set<() => void>();
  const stderr = new Captured();
  if (options.columns !== undefined) Object.assign(stderr, { isTTY: true, columns: options.columns });
  const { stdin = [] } = options;
  return {
    openStdin: () => (stdin instanceof Readable ? stdin : Readable.from(stdin)),
    stdout: new Captured(),
    stderr,
    env: { HOME: '/nonexistent', ...options.env },
    interrupted: stop.signal,
    takeHangups: (listener) => {
      hangups.add(listener);
      return { [Symbol.dispose]: () => void hangups.delete(listener) };
    },
    hangUp: () => {
      for (const listener of hangups) listener();
    },
    interrupt: () => stop.abort(new Interrupted('SIGINT')),
  };
}

/** Runs a command line in this process. */
export async function run(
  args: readonly string[],
  io: FakeIo = fakeIo(),
): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  const exitCode = await runCli(args, io);
  return { exitCode, stdout: io.stdout.text, stderr: io.stderr.text };
}

/** A folder that is gone after the test. */
export async function testFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'nevermind-test-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Starts the executable as a process of its own; it is killed when the test, or what `atEnd` means, is over. */
export function spawnCli(
  args: readonly string[],
  options: { env?: Record<string, string>; ipc?: boolean; atEnd?: (kill: () => Promise<void>) => void } = {},
): ChildProcess {
  const { env = {}, ipc = false, atEnd = onTestFinished } = options;
  const child = spawn(process.execPath, ['--import', 'tsx', MAIN_FILE, ...args], {
    cwd: ROOT,
    env: { ...process.env, HOME: '/nonexistent', ...env },
    stdio: ['pipe', 'pipe', 'pipe', ...(ipc ? (['ipc'] as const) : [])],
  });
  atEnd(() => killed(child));
  return child;
}

/** Kills a process and waits until it is gone. */
export async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

/** Waits for a process to end. */
export async function finished(
  child: ChildProcess,
): Promise<{ exitCode: number | null; stdout: string; stderr: string }> {
  const [stdout, stderr] = await Promise.all([
    text(child.stdout!),
    text(child.stderr!),
    once(child, 'close'),
  ]);
  return { exitCode: child.exitCode, stdout, stderr };
}

/** The first line that a process prints. */
export async function firstLineOf(child: ChildProcess): Promise<string> {
  let seen = '';
  for await (const chunk of child.stdout!.iterator({ destroyOnReturn: false })) {
    seen += String(chunk);
    if (seen.includes('\n')) return seen.slice(0, seen.indexOf('\n'));
  }
  throw new Error(`the process ended without a line: ${seen}`);
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MAIN_FILE = join(ROOT, 'src/cli/main.ts');
