// A real storage node under attack by datagrams: does a byte come back to who knows nothing, does its memory grow, and
// what does an honest client notice of 100,000 sources? Linux only: memory is read from /proc, and sources are addresses
// of the loopback network. `node --import tsx bench/flood.ts --datagrams 10000000 --sources 100000`.

import { spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createEndpoint } from '../src/datagram/create-endpoint.ts';
import { formatAddress, parseAddress } from '../src/transport/address.ts';
import type { Peer } from '../src/transport/transport.ts';
import { Dice } from '../test/fuzz/mutator.ts';

const { values: options } = parseArgs({
  options: {
    datagrams: { type: 'string', default: '100000' },
    sources: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
  },
});

/** Datagrams between two turns in which the sockets are read: what they send has left by then. */
const BURST = 200;
const BYTES_MAX = 1400;
const CALLS_PER_SECOND = 100;
const QUIET_MS = 5_000;
/** Genuine first datagrams, each of a client of its own; taken again and again. */
const RECORDED = 64;

const dice = new Dice(Number(options.seed));
const folder = mkdtempSync(join(tmpdir(), 'nevermind-flood-'));
const main = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));
const args = ['--import', 'tsx', main, 'node', '--dir', folder, '--port', '0'];
const node = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
try {
  const [address] = (await once(createInterface({ input: node.stdout! }), 'line')) as [string];
  const recorded = await recordFirstDatagrams(address);
  const scan = await scanned(address, recorded, Number(options.datagrams));
  const spoofed = await spoofedSources(address, recorded, Number(options.sources));
  console.log(JSON.stringify({ type: 'summary', version: 1, suite: 'flood', ...options, scan, spoofed }));
} finally {
  node.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}

/** Nobody with the address: random bytes, and first datagrams with bytes changed. Nothing may come back. */
async function scanned(address: string, recorded: readonly Uint8Array[], count: number): Promise<object> {
  const { port } = parseAddress(address).hosts[0];
  const socket = createSocket({ type: 'udp4', sendBufferSize: 1 << 20 });
  let answers = 0;
  socket.on('message', () => answers++);
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const random = new Uint8Array(BYTES_MAX);
  const rssMiB = [rssOf(node.pid!)];
  const startedAtMs = performance.now();
  for (let sent = 0; sent < count; ) {
    for (let i = 0; i < BURST && sent < count; i++, sent++) {
      if (dice.below(2) === 0) {
        for (let at = 0; at < BYTES_MAX; at += 4) random[at + dice.below(4)] = dice.next();
        // A well-formed first byte half of the time: what it leads to is looked at.
        if (dice.below(2) === 0) random[0] = 0x10 | dice.below(5);
        socket.send(random.slice(0, 1 + dice.below(BYTES_MAX)), port, '127.0.0.1');
      } else {
        const changed = recorded[dice.below(recorded.length)]!.slice();
        changed[1 + dice.below(changed.length - 1)]! ^= 1 + dice.below(255);
        socket.send(changed, port, '127.0.0.1');
      }
    }
    await new Promise(setImmediate);
    if (sent % Math.ceil(count / 10) < BURST) rssMiB.push(rssOf(node.pid!));
  }
  const elapsedMs = performance.now() - startedAtMs;
  await new Promise((resolve) => setTimeout(resolve, 1000));
  rssMiB.push(rssOf(node.pid!));
  socket.close();
  return { datagrams: count, answers, perSecond: Math.round((1000 * count) / elapsedMs), rssMiB };
}

/** Somebody who has the address, from many places: an honest client's times, quiet and meanwhile. */
async function spoofedSources(
  address: string,
  recorded: readonly Uint8Array[],
  sources: number,
): Promise<object> {
  const { port } = parseAddress(address).hosts[0];
  await using client = await createEndpoint({ host: '127.0.0.1' });
  const peer = client.peer(address);
  const quietUntilMs = performance.now() + QUIET_MS;
  const quiet = await timesOf(peer, () => performance.now() < quietUntilMs);
  const before = rssOf(node.pid!);
  let over = false;
  const attacked = timesOf(peer, () => !over);
  for (let source = 0; source < sources; source++) {
    const host = `127.${1 + (source >>> 16)}.${(source >>> 8) & 255}.${1 + (source & 127)}`;
    const socket = createSocket('udp4');
    await bound(socket, host);
    for (let i = 0; i < 3; i++) socket.send(recorded[dice.below(recorded.length)]!, port, '127.0.0.1');
    socket.close();
  }
  over = true;
  const busy = await attacked;
  return {
    sources,
    quietP99Ms: percentile(quiet, 0.99),
    attackedP99Ms: percentile(busy, 0.99),
    failed: busy.filter((ms) => ms === Number.POSITIVE_INFINITY).length,
    rssMiB: [before, rssOf(node.pid!)],
  };
}

/** Calls at a steady rate; Infinity for one that failed. */
async function timesOf(peer: Peer, goesOn: () => boolean): Promise<number[]> {
  const times: Promise<number>[] = [];
  while (goesOn() || times.length < CALLS_PER_SECOND) {
    const atMs = performance.now();
    times.push(
      peer.call('storage/version', null, { idempotent: true }).then(
        () => performance.now() - atMs,
        () => Number.POSITIVE_INFINITY,
      ),
    );
    await new Promise((resolve) => setTimeout(resolve, 1000 / CALLS_PER_SECOND));
  }
  return Promise.all(times);
}

function percentile(times: readonly number[], share: number): number {
  const sorted = [...times].sort((a, b) => a - b);
  return Math.round(100 * sorted[Math.floor(share * (sorted.length - 1))]!) / 100;
}

async function bound(socket: Socket, host: string): Promise<void> {
  socket.on('error', () => {});
  socket.bind(0, host);
  await once(socket, 'listening');
}

/** What clients send first, to somebody who only listens. */
async function recordFirstDatagrams(address: string): Promise<Uint8Array[]> {
  const sink = createSocket('udp4');
  const recorded: Uint8Array[] = [];
  sink.on('message', (bytes) => recorded.push(new Uint8Array(bytes)));
  sink.bind(0, '127.0.0.1');
  await once(sink, 'listening');
  const parsed = parseAddress(address);
  const elsewhere = formatAddress({ ...parsed, hosts: [{ host: '127.0.0.1', port: sink.address().port }] });
  while (recorded.length < RECORDED) {
    await using client = await createEndpoint({ host: '127.0.0.1' });
    const call = client.peer(elsewhere).call('storage/version', null);
    call.catch(() => {});
    await once(sink, 'message');
  }
  sink.close();
  return recorded;
}

function rssOf(pid: number): number {
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024);
}
