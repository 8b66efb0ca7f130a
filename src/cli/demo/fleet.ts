// The storage nodes of a demonstration: real processes on this machine, stopped and killed by their pid, none of
// which outlives the demonstration, however that ends.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { atExit } from '../cleanup.ts';
import { EXIT } from '../exit-codes.ts';
import { CliError } from '../failure.ts';
import type { TransportKind } from '../network.ts';

/** One storage node. */
export interface FleetNode {
  /** `node 7`. */
  readonly name: string;
  readonly pid: number;
  readonly address: string;
}

/** Storage nodes as child processes. */
export class Fleet implements AsyncDisposable {
  readonly #children: ChildProcess[] = [];
  readonly #guard: Disposable;
  #nodes: readonly FleetNode[] = [];

  /**
   * Starts `count` nodes at once, each with a folder of its own under `folder`, and waits for all their addresses.
   * They are reached through `transport`.
   * @throws CliError when one of them does not start; `signal.reason` when it aborts. None is left then.
   */
  static async start(
    count: number,
    folder: string,
    transport: TransportKind = 'udp',
    signal: AbortSignal,
  ): Promise<Fleet> {
    const fleet = new Fleet();
    try {
      const starting = Array.from({ length: count }, (_, index) => {
        const args = ['--dir', join(folder, `node-${index + 1}`), '--port', '0', '--transport', transport];
        return fleet.#startNode(`node ${index + 1}`, args, signal);
      });
      fleet.#nodes = await Promise.all(starting);
      return fleet;
    } catch (error) {
      await fleet[Symbol.asyncDispose]();
      throw error;
    }
  }

  private constructor() {
    this.#guard = atExit(() => this.#killAll());
  }

  get nodes(): readonly FleetNode[] {
    return this.#nodes;
  }

  /** The node freezes where it is; the kernel goes on taking what is sent to it. */
  freeze({ pid }: FleetNode): void {
    process.kill(pid, 'SIGSTOP');
  }

  kill({ pid }: FleetNode): void {
    process.kill(pid, 'SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = this.#children.filter(isRunning).map((child) => once(child, 'exit'));
    this.#killAll();
    await Promise.all(gone);
    this.#guard[Symbol.dispose]();
  }

  async #startNode(name: string, args: readonly string[], signal: AbortSignal): Promise<FleetNode> {
    signal.throwIfAborted();
    const child = spawn(process.execPath, [...process.execArgv, MAIN_FILE, 'node', ...args], {
      // The IPC channel tells the node when this process dies without having said anything.
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      // A process group of its own: Ctrl-C reaches this process only, and what a node starts ends with it.
      detached: true,
    });
    this.#children.push(child);
    let complaints = '';
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      complaints = (complaints + text).slice(-COMPLAINTS_LENGTH_MAX);
    });
    const address = await firstLine(child, signal, () => didNotStart(name, complaints));
    return { name, pid: child.pid!, address };
  }

  /** Synchronous: also for the last moment of this process. SIGKILL ends stopped processes too. */
  #killAll(): void {
    for (const child of this.#children) {
      if (isRunning(child)) killGroup(child.pid!);
    }
  }
}

function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

function killGroup(pid: number): void {
  try {
    process.kill(process.platform === 'win32' ? pid : -pid, 'SIGKILL');
  } catch {
    // It ended by itself in this moment.
  }
}

async function firstLine(child: ChildProcess, signal: AbortSignal, failure: () => Error): Promise<string> {
  const lines = createInterface({ input: child.stdout! });
  const settled = new AbortController();
  const options = { signal: AbortSignal.any([signal, settled.signal]) };
  try {
    return await Promise.race([
      once(lines, 'line', options).then(([line]) => String(line)),
      once(child, 'close', options).then(() => Promise.reject(failure())),
    ]);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    settled.abort();
    lines.close();
    // What it might still say is of no interest, but must not fill the pipe.
    child.stdout!.resume();
  }
}

function didNotStart(name: string, complaints: string): CliError {
  const words = complaints.trim() || 'it said nothing';
  return new CliError(`${name} did not start: ${words}`, { code: 'NODE_FAILED', exitCode: EXIT.other });
}

/** The executable itself, from the sources or built. */
const MAIN_FILE = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../main.ts' : '../main.js', import.meta.url),
);
const COMPLAINTS_LENGTH_MAX = 2000;
