// What it costs to be observed: `npm run bench -- observability [--out FILE] [--json]`. Two transports in one process
// echo 100 bytes through sockets in memory, 64 calls at once, so that nothing but our own code is timed. Ways of
// observing take turns in one run, because machines are shared; each figure is the median of its rounds.

import diagnosticsChannel from 'node:diagnostics_channel';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { DatagramSocket, SocketAddress } from '../src/datagram/datagram-socket.ts';
import { DatagramTransport } from '../src/datagram/datagram-transport.ts';
import type { EndpointObserver } from '../src/protocol/observer.ts';
import { generateIdentity, type Identity, swissnumOf } from '../src/session/identity.ts';
import { openTraceFile } from '../src/trace/trace-file.ts';
import { systemClock } from '../src/transport/system-clock.ts';
import { systemRandom } from '../src/transport/system-random.ts';
import type { Peer } from '../src/transport/transport.ts';
import { median, saveSummary, thisMachine } from './machine.ts';

const { values: options } = parseArgs({
  options: { out: { type: 'string' }, json: { type: 'boolean', default: false } },
});

const CALLS = 20_000;
const AT_ONCE = 64;
const ROUNDS = 15;
const BODY = new Uint8Array(100);

/** Gives what is sent to the other socket in a later turn. */
class MemorySocket implements DatagramSocket {
  readonly local: SocketAddress;
  readonly queuedBytes = 0;
  onDatagram: (bytes: Uint8Array, from: SocketAddress) => void = () => {};
  onSendError: (to: SocketAddress, code: string) => void = () => {};
  other: MemorySocket | undefined;
  #waiting: Uint8Array[] = [];

  constructor(port: number) {
    this.local = { host: '127.0.0.1', port };
  }

  datagramCeilingBytes(): number {
    return 1452;
  }

  send(bytes: Uint8Array): void {
    if (this.#waiting.push(bytes) > 1) return;
    setImmediate(() => {
      const arriving = this.#waiting;
      this.#waiting = [];
      for (const datagram of arriving) this.other?.onDatagram(datagram, this.local);
    });
  }

  async close(): Promise<void> {
    this.other = undefined;
  }
}

/** A way of observing: where the observer is, and what else is done while calls run. */
interface Way {
  readonly name: string;
  readonly observer?: EndpointObserver;
  readonly channels?: readonly string[];
}

function pair(observer?: EndpointObserver): Peer {
  const [clientSocket, serverSocket] = [new MemorySocket(1), new MemorySocket(2)];
  clientSocket.other = serverSocket;
  serverSocket.other = clientSocket;
  const options = {
    clock: systemClock,
    random: systemRandom,
    unixMs: Date.now,
    soon: (task: () => void) => void setImmediate(task),
    resolve: async (host: string) => host,
  };
  const client = new DatagramTransport(clientSocket, { ...options, ...somebody(), observer });
  const server = new DatagramTransport(serverSocket, { ...options, ...somebody() });
  server.handle('echo', (body) => body, { early: 'safe' });
  return client.peer(server.address);
}

function somebody(): { identity: Identity; swissnum: string } {
  const identity = generateIdentity(systemRandom);
  return { identity, swissnum: swissnumOf(identity) };
}

/** Microseconds of processor time per call, both ends together. */
async function round(peer: Peer, channels: readonly string[] = []): Promise<number> {
  let seen = 0;
  const count = (): void => {
    seen++;
  };
  for (const name of channels) diagnosticsChannel.subscribe(name, count);
  let left = CALLS;
  const worker = async (): Promise<void> => {
    while (left-- > 0) await peer.call('echo', BODY);
  };
  const before = process.cpuUsage();
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  const { user, system } = process.cpuUsage(before);
  for (const name of channels) diagnosticsChannel.unsubscribe(name, count);
  if (channels.length > 0 && seen < CALLS) throw new Error('the channels were silent');
  return (user + system) / CALLS;
}

const machine = thisMachine();
const tracePath = join(tmpdir(), `nevermind-bench-${process.pid}.sqlog`);
const trace = await openTraceFile(tracePath);
const ways: readonly Way[] = [
  { name: 'nobody looks' },
  { name: 'calls on diagnostics_channel', channels: ['nevermind:call:start', 'nevermind:call:end'] },
  {
    name: 'everything on diagnostics_channel',
    channels: [
      'nevermind:call:start',
      'nevermind:call:end',
      'nevermind:request:start',
      'nevermind:request:end',
      'nevermind:datagram',
    ],
  },
  { name: 'trace file', observer: trace.observer },
];
const peers = ways.map(({ observer }) => pair(observer));
const times: number[][] = ways.map(() => []);
for (let i = -2; i < ROUNDS; i++) {
  for (const [index, { channels }] of ways.entries()) {
    const us = await round(peers[index]!, channels);
    if (i >= 0) times[index]!.push(us);
  }
}
await trace.close();
await rm(tracePath);

const results = ways.map(({ name }, index) => {
  const of = times[index]!;
  return { name, medianUs: median(of), bestUs: Math.min(...of), worstUs: Math.max(...of) };
});
const setting = { rounds: ROUNDS, callsPerRound: CALLS };
if (!options.json) {
  console.log('µs of processor time per call, both ends: median (best to worst round)');
  for (const { name, medianUs, bestUs, worstUs } of results) {
    console.log(`${name.padEnd(34)} ${medianUs.toFixed(1)} (${bestUs.toFixed(1)} to ${worstUs.toFixed(1)})`);
  }
}
await saveSummary(
  { type: 'summary', version: 1, suite: 'observability', machine, setting, results },
  options,
);
process.exit();
