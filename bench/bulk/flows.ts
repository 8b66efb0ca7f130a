// One flow from b to a over an emulated link, ours or the kernel's TCP (iperf3): what it has moved, in Mbit/s.

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { LinkEnd, LossyLink } from '../lossy-link.ts';
import { LARGE_MESSAGE_BYTES, type Load, WARM_UP_SECONDS } from './loads.ts';

export const SYSTEMS = ['nevermind', 'tcp-bbr', 'tcp-cubic'] as const;
export type BulkSystem = (typeof SYSTEMS)[number];

/**
 * Undefined when a large message was not there after `seconds`; a stream is measured for that long, once it is warm, which TCP is
 * said to be after `omitSeconds`.
 */
export function flow(
  link: LossyLink,
  system: BulkSystem,
  load: Load,
  seconds: number,
  omitSeconds: number = WARM_UP_SECONDS,
): Promise<number | undefined> {
  if (system === 'nevermind') return ourFlow(link, load, seconds);
  return tcpFlow(link, system.slice('tcp-'.length), load, seconds, omitSeconds);
}

async function ourFlow({ a, b }: LossyLink, load: Load, seconds: number): Promise<number | undefined> {
  const server = ourselves(b, ['serve', b.address]);
  try {
    const address = await firstLine(server, () => true);
    const client = ourselves(a, ['fetch', address, load, String(seconds)]);
    const mbitPerS = (await text(client.stdout!)).trim();
    return mbitPerS === '' ? undefined : Number(mbitPerS);
  } finally {
    server.kill();
  }
}

function ourselves(end: LinkEnd, args: readonly string[]): ChildProcess {
  const program = fileURLToPath(new URL('ends.ts', import.meta.url));
  return end.spawn(process.execPath, ['--import', 'tsx', program, ...args]);
}

async function tcpFlow(
  { a, b }: LossyLink,
  algorithm: string,
  load: Load,
  seconds: number,
  omitSeconds: number,
): Promise<number | undefined> {
  const server = b.spawn('iperf3', ['--server', '--one-off', '--forceflush']);
  await firstLine(server, (line) => line.includes('listening'));
  const amount =
    load === 'message'
      ? ['--bytes', String(LARGE_MESSAGE_BYTES)]
      : ['--omit', String(omitSeconds), '--time', String(seconds)];
  const options = ['--reverse', '--json', '--congestion', algorithm, ...amount];
  const client = a.spawn('iperf3', ['--client', b.address, ...options]);
  const limit = setTimeout(() => client.kill('SIGKILL'), load === 'message' ? 1000 * seconds : 2 ** 31 - 1);
  const report = await text(client.stdout!);
  clearTimeout(limit);
  if (client.signalCode !== null || report === '') {
    server.kill();
    return undefined;
  }
  if (server.exitCode === null) await once(server, 'exit');
  return JSON.parse(report).end.sum_received.bits_per_second / 1e6;
}

async function firstLine(process: ChildProcess, isIt: (line: string) => boolean): Promise<string> {
  for await (const line of createInterface({ input: process.stdout! })) {
    if (!isIt(line)) continue;
    process.stdout!.resume();
    return line;
  }
  throw new Error('it has ended without saying that it is ready');
}
