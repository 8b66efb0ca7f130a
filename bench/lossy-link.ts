// A link with loss and delay between two network namespaces of this machine, so that everything that uses sockets, TCP
// included, suffers the same: Debian's vde_switch and wirefilter in user space, as this kernel has no netem. Needs root.

import { type ChildProcess, execFile, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** What the link does, in each direction. */
export interface LossyLinkOptions {
  readonly delayMs: number;
  readonly lossPercent: number;
  /** A bottleneck, and the bytes that wait in front of it; without it the link is as fast as the machine. */
  readonly bandwidthBytesPerS?: number | undefined;
  readonly queueBytes?: number | undefined;
}

/** One end of the link. */
export interface LinkEnd {
  readonly address: string;
  /** Starts a program that sees only this end of the link and a loopback interface of its own. */
  spawn(command: string, args: readonly string[], options?: SpawnOptions): ChildProcess;
}

/** A link until it is disposed: then its namespaces and processes are gone. */
export interface LossyLink extends AsyncDisposable {
  readonly a: LinkEnd;
  readonly b: LinkEnd;
  /** From now on nothing passes in either direction, and nobody is told. */
  cut(): Promise<void>;
}

/** Why there can be no such link here, in words; `undefined` when there can. */
export async function whyNoLink(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  for (const [tool, pack] of [
    ['ip', 'iproute2'],
    ['vde_switch', 'vde2'],
    ['wirefilter', 'vde-wirefilter'],
  ] as const) {
    const found = await run('sh', ['-c', `command -v ${tool}`]).catch(() => undefined);
    if (found === undefined) return `there is no ${tool} here (Debian: apt-get install ${pack})`;
  }
  return undefined;
}

/** Makes the link and waits until it carries packets. @throws what `ip` says, when it refuses. */
export async function openLossyLink(options: LossyLinkOptions): Promise<LossyLink> {
  const folder = await mkdtemp(join(tmpdir(), 'nevermind-link-'));
  const daemons: ChildProcess[] = [];
  const namespaces: string[] = [];
  const dispose = async () => {
    for (const daemon of daemons) await stop(daemon);
    for (const namespace of namespaces) await run('ip', ['netns', 'del', namespace]);
    await rm(folder, { recursive: true, force: true });
  };
  const end = async (side: 'a' | 'b', address: string): Promise<LinkEnd> => {
    const namespace = `nevermind-${process.pid}-${side}`;
    const inside = (...args: string[]) => run('ip', ['-n', namespace, ...args]);
    await run('ip', ['netns', 'add', namespace]);
    namespaces.push(namespace);
    await inside('link', 'set', 'dev', 'lo', 'up');
    await inside('tuntap', 'add', 'dev', 'vde0', 'mode', 'tap');
    await inside('link', 'set', 'dev', 'vde0', 'up');
    await inside('addr', 'add', `${address}/24`, 'dev', 'vde0');
    const command = ['netns', 'exec', namespace];
    daemons.push(daemon('ip', [...command, 'vde_switch', '-s', join(folder, side), '-t', 'vde0']));
    await access(join(folder, side, 'ctl')).catch(() => appears(join(folder, side, 'ctl')));
    return {
      address,
      spawn: (program, args, spawnOptions = {}) =>
        spawn('ip', [...command, program, ...args], {
          stdio: ['ignore', 'pipe', 'inherit'],
          ...spawnOptions,
        }),
    };
  };
  try {
    const a = await end('a', '10.77.0.1');
    const b = await end('b', '10.77.0.2');
    const { delayMs, lossPercent, bandwidthBytesPerS, queueBytes } = options;
    const wire = [
      '-v',
      `${join(folder, 'a')}:${join(folder, 'b')}`,
      '-d',
      `${delayMs}`,
      '-l',
      `${lossPercent}`,
    ];
    if (bandwidthBytesPerS !== undefined) wire.push('-b', `${bandwidthBytesPerS}`);
    if (queueBytes !== undefined) wire.push('-c', `${queueBytes}`);
    const filter = daemon('wirefilter', wire);
    daemons.push(filter);
    await reached(a, b.address);
    return { a, b, cut: () => stop(filter), [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** Both read commands from their standard input, and end with it: the pipe stays open. */
function daemon(command: string, args: readonly string[]): ChildProcess {
  return spawn(command, args, { stdio: ['pipe', 'ignore', 'ignore'] });
}

async function stop(daemon: ChildProcess): Promise<void> {
  if (daemon.exitCode !== null || daemon.signalCode !== null) return;
  daemon.kill('SIGTERM');
  await once(daemon, 'exit');
}

async function appears(path: string): Promise<void> {
  for (let tries = 0; tries < 50; tries++) {
    await sleep(50);
    const isThere = await access(path).then(
      () => true,
      () => false,
    );
    if (isThere) return;
  }
  throw new Error(`vde_switch has not made ${path}`);
}

/** Waits until a connection is refused at the other end: packets pass both ways. Some may be lost. */
async function reached(from: LinkEnd, address: string): Promise<void> {
  const tries = 20;
  const script = `
    const attempt = (left) => require('net').connect({ host: '${address}', port: 1, timeout: 500 })
      .on('error', ({ code }) => code === 'ECONNREFUSED' ? process.exit(0) : again(left))
      .on('timeout', function () { this.destroy(); again(left); });
    const again = (left) => left === 0 ? process.exit(1) : setTimeout(attempt, 100, left - 1);
    attempt(${tries});`;
  const probe = from.spawn(process.execPath, ['--eval', script], { stdio: 'ignore' });
  const [code] = await once(probe, 'exit');
  if (code !== 0) throw new Error(`${address} cannot be reached over the link`);
}
