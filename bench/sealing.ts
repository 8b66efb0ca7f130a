// What the seal costs: `npm run bench -- sealing [--out FILE] [--json]`. Two transports in one process echo 64 bytes over
// loopback sockets, 128 calls at once, sealed and in the clear by turns, because machines are shared; each figure is the
// median of its rounds. The clear one exists for this alone: no user can have it.

import { parseArgs } from 'node:util';
import { DatagramTransport } from '../src/datagram/datagram-transport.ts';
import { openUdpSocket } from '../src/datagram/udp-socket.ts';
import { generateIdentity, swissnumOf } from '../src/session/identity.ts';
import type { Protection } from '../src/session/protection.ts';
import { systemClock } from '../src/transport/system-clock.ts';
import { systemRandom } from '../src/transport/system-random.ts';
import type { Peer } from '../src/transport/transport.ts';
import { plainProtection } from '../test/protocol/plain-protection.ts';
import { median, saveSummary, thisMachine } from './machine.ts';

const { values: options } = parseArgs({
  options: { out: { type: 'string' }, json: { type: 'boolean', default: false } },
});

const CALLS = 20_000;
const AT_ONCE = 128;
const ROUNDS = 9;
const BODY = new Uint8Array(64);

async function open(protection?: Protection): Promise<DatagramTransport> {
  const identity = generateIdentity(systemRandom);
  return new DatagramTransport(await openUdpSocket('127.0.0.1', 0, 0), {
    clock: systemClock,
    random: systemRandom,
    unixMs: Date.now,
    identity,
    swissnum: swissnumOf(identity),
    protection,
    soon: setImmediate,
    resolve: async (host) => host,
  });
}

/** Calls per second of processor time: what others do on this machine meanwhile is not counted. */
async function round(peer: Peer): Promise<number> {
  let left = CALLS;
  const worker = async (): Promise<void> => {
    while (left-- > 0) await peer.call('echo', BODY);
  };
  const before = process.cpuUsage();
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  const { user, system } = process.cpuUsage(before);
  return (CALLS * 1e6) / (user + system);
}

const machine = thisMachine();
const rounds = { sealed: [] as number[], clear: [] as number[] };
const pairs = {
  sealed: [await open(), await open()],
  clear: [await open(plainProtection()), await open(plainProtection())],
};
const ways = ['sealed', 'clear'] as const;
for (const way of ways) pairs[way][1]!.handle('echo', (body) => body, { early: 'safe' });
for (let index = -1; index < ROUNDS; index++) {
  for (const way of ways) {
    const callsPerSecond = await round(pairs[way][0]!.peer(pairs[way][1]!.address));
    // The first one warms up.
    if (index >= 0) rounds[way].push(callsPerSecond);
  }
}
await Promise.all(Object.values(pairs).flatMap((pair) => pair.map((transport) => transport.close())));

const [sealed, clear] = [median(rounds.sealed), median(rounds.clear)];
const results = ways.map((way) => ({ way, callsPerCpuSecond: Math.round(median(rounds[way])) }));
const setting = { rounds: ROUNDS, calls: CALLS, atOnce: AT_ONCE, sizeBytes: BODY.length };
const ratio = Number((sealed / clear).toFixed(2));
if (!options.json) {
  console.log(
    `${ROUNDS} rounds of ${CALLS} echoes of ${BODY.length} bytes, ${AT_ONCE} at once: calls per second of`,
  );
  console.log(
    `processor time, both ends: sealed ${Math.round(sealed)}, in the clear ${Math.round(clear)}: ${ratio} of it`,
  );
}
await saveSummary(
  { type: 'summary', version: 1, suite: 'sealing', machine, setting, ratio, results },
  options,
);
