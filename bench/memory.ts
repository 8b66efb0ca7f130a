// What a datagram transport costs in memory: `npm run bench -- memory [--peers 100000]
// [--calls 100000] [--out FILE] [--json]`.
// Per known peer (called once, and held by its caller), per session, per outstanding call; and how long it takes to
// cancel all outstanding calls at once. Sockets are in memory, and the servers are gone when it is measured, so that
// only the client counts. It runs in a process of its own that may collect its garbage when it is told to.

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { DatagramSocket, SocketAddress } from '../src/datagram/datagram-socket.ts';
import { DatagramTransport } from '../src/datagram/datagram-transport.ts';
import { generateIdentity } from '../src/session/identity.ts';
import { formatAddress } from '../src/transport/address.ts';
import { systemClock } from '../src/transport/system-clock.ts';
import { systemRandom } from '../src/transport/system-random.ts';
import type { Peer } from '../src/transport/transport.ts';
import { saveSummary, thisMachine } from './machine.ts';

const { values: options } = parseArgs({
  options: {
    peers: { type: 'string', default: '100000' },
    calls: { type: 'string', default: '100000' },
    out: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

/** Peers called at once; the servers that answer them then end, and others begin. */
const BATCH = 100;
/** Of so many peers sessions are kept, however many are known; as by default. */
const AWAKE = 4096;
const PORT = 4820;

function inProcessOfItsOwn(): void {
  const self = fileURLToPath(import.meta.url);
  const args = ['--expose-gc', '--import', 'tsx', self, ...process.argv.slice(2)];
  execFileSync(process.execPath, args, { stdio: 'inherit' });
}

/** Gives what is sent to the other side in a later turn. */
class MemorySocket implements DatagramSocket {
  readonly local: SocketAddress = { host: '127.0.0.1', port: PORT };
  readonly queuedBytes = 0;
  onDatagram: (bytes: Uint8Array, from: SocketAddress) => void = () => {};
  onSendError: (to: SocketAddress, code: string, sizeBytes: number) => void = () => {};
  other: MemorySocket | undefined;

  datagramCeilingBytes(): number {
    return 1200;
  }

  /** The client seems to be at each peer's own address: one server is all of them. */
  send(bytes: Uint8Array, to: SocketAddress): void {
    const { other } = this;
    // Who sends it may write over it; `slice` of a Buffer would not copy.
    const copy = new Uint8Array(bytes);
    setImmediate(() => other?.onDatagram(copy, to));
  }

  async close(): Promise<void> {
    this.other = undefined;
  }
}

const IDENTITY = generateIdentity(systemRandom);

function open(socket: MemorySocket): DatagramTransport {
  return new DatagramTransport(socket, {
    clock: systemClock,
    random: systemRandom,
    unixMs: Date.now,
    // One server is all of them, wherever it is called.
    identity: IDENTITY,
    swissnum: 'swissnum',
    soon: setImmediate,
    resolve: async (host) => host,
    config: { maxAwakePeers: AWAKE, maxServerPeersPerKey: 10_000 },
  });
}

/** All peers of the client, until it is closed. */
function openServer(client: MemorySocket): DatagramTransport {
  const socket = new MemorySocket();
  socket.other = client;
  client.other = socket;
  const server = open(socket);
  server.handle('echo', (body) => body, { early: 'safe' });
  server.handle('hang', () => new Promise(() => {}), { early: 'safe' });
  return server;
}

/** Bytes in use once everything that nobody holds is gone. */
async function usedBytes(collect: () => void): Promise<number> {
  for (let i = 0; i < 4; i++) {
    await new Promise(setImmediate);
    collect();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const machine = thisMachine();

async function measure(collect: () => void): Promise<void> {
  const peerCount = Number(options.peers);
  const socket = new MemorySocket();
  const client = open(socket);
  const peers: Peer[] = [];
  const growth: { readonly peers: number; readonly bytes: number }[] = [];
  const emptyBytes = await usedBytes(collect);
  let awakeBytes = 0;
  while (peers.length < peerCount) {
    await using _server = openServer(socket);
    const batch = Array.from({ length: Math.min(BATCH, peerCount - peers.length) }, (_, i) => {
      const index = peers.length + i;
      const host = `10.${index >>> 16}.${(index >>> 8) & 255}.${index & 255}`;
      const key = IDENTITY.publicKey;
      return client.peer(formatAddress({ key, hosts: [{ host, port: PORT }], swissnum: 'swissnum' }));
    });
    await Promise.all(batch.map((peer) => peer.call('echo', 'a'.repeat(100))));
    peers.push(...batch);
    if (peers.length <= AWAKE && peers.length + BATCH > AWAKE) {
      awakeBytes = ((await usedBytes(collect)) - emptyBytes) / peers.length;
    }
    if (peers.length % Math.ceil(peerCount / 4) < BATCH) {
      growth.push({ peers: peers.length, bytes: (await usedBytes(collect)) - emptyBytes });
    }
  }
  const knownBytes = (await usedBytes(collect)) - emptyBytes;
  const calls = await measureCalls(collect, client, socket, peers[0]!);
  const known = client.gauges.calledPeers;
  await client.close();
  const results = [
    { what: 'known peer', count: known, bytesEach: Math.round(knownBytes / peerCount) },
    { what: 'session', count: AWAKE, bytesEach: Math.round(awakeBytes) },
    { what: 'outstanding call', count: calls.outstandingCalls, bytesEach: calls.bytesPerOutstandingCall },
  ];
  const steps = growth.map(({ peers, bytes }) => ({ peers, megabytes: Math.round(bytes / 1e6) }));
  if (!options.json) {
    console.table(results);
    console.table(steps);
    console.table([calls]);
  }
  await saveSummary(
    { type: 'summary', version: 1, suite: 'memory', machine, results, growth: steps, calls },
    options,
  );
}

/** Of all outstanding calls together, but for what each takes. */
interface CallFigures {
  readonly outstandingCalls: number;
  readonly bytesPerOutstandingCall: number;
  readonly peakMegabytes: number;
  /** In `abort()`. */
  readonly cancelledAfterMs: number;
  readonly cancelCpuMs: number;
  readonly callsLeft: number;
  readonly requestBytesLeft: number;
  readonly kilobytesLeft: number;
}

/** Outstanding calls to one peer: what each takes, and how fast all are cancelled by one signal. */
async function measureCalls(
  collect: () => void,
  client: DatagramTransport,
  socket: MemorySocket,
  peer: Peer,
): Promise<CallFigures> {
  const callCount = Number(options.calls);
  const server = openServer(socket);
  await peer.call('echo', 1, { idempotent: true });
  const beforeBytes = await usedBytes(collect);
  const controller = new AbortController();
  let cancelled = 0;
  const call = { signal: controller.signal, deadline: Number.POSITIVE_INFINITY };
  for (let i = 0; i < callCount; i++) {
    peer.call('hang', i, call).catch(() => cancelled++);
  }
  // Nothing of them is sent yet: what is counted is the client's.
  const outstandingBytes = process.memoryUsage();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  const startedAtMs = performance.now();
  const startedCpu = process.cpuUsage();
  controller.abort();
  const cancelledAfterMs = performance.now() - startedAtMs;
  const { user, system } = process.cpuUsage(startedCpu);
  await new Promise(setImmediate);
  if (cancelled !== callCount) throw new Error(`${cancelled} of ${callCount} calls were cancelled`);
  await server.close();
  const leftBytes = (await usedBytes(collect)) - beforeBytes;
  const { gauges } = client;
  return {
    outstandingCalls: callCount,
    bytesPerOutstandingCall: Math.round((heapUsed + external - beforeBytes) / callCount),
    peakMegabytes: Math.round((outstandingBytes.heapUsed + outstandingBytes.external) / 1e6),
    cancelledAfterMs: Math.round(cancelledAfterMs),
    cancelCpuMs: Math.round((user + system) / 1000),
    callsLeft: gauges.outstandingCalls,
    requestBytesLeft: gauges.outstandingBytes,
    kilobytesLeft: Math.round(leftBytes / 1000),
  };
}

const { gc } = globalThis;
if (gc === undefined) inProcessOfItsOwn();
else await measure(gc);
