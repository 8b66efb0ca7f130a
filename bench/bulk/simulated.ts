// The suite `bulk` on virtual time: our flow alone through a simulated bottleneck, seeded, on any machine.

import { VirtualClock } from '../../src/sim/clock.ts';
import { SimNetwork } from '../../src/sim/network.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import { openSimTransport } from '../../src/sim/transport.ts';
import { Arrivals } from './arrivals.ts';
import type { Load } from './loads.ts';

const SERVER = '10.0.0.1';
const CLIENT = '10.0.0.2';

/** A way through a bottleneck that queues as much as is under way when it is full. */
export interface SimulatedPath {
  readonly lossPercent: number;
  readonly roundTripMs: number;
  readonly mbitPerS: number;
}

/** Mbit/s of payload, of a stream over `seconds` of virtual time. */
export async function simulate(path: SimulatedPath, load: Load, seconds: number): Promise<number> {
  const random = new SeededRandom('bulk');
  const clock = new VirtualClock();
  const latencyMs = path.roundTripMs / 2;
  const link = { latencyMs, lossProbability: path.lossPercent / 100 };
  const network = new SimNetwork({ clock, random: random.fork('network'), link });
  const bandwidthBytesPerMs = path.mbitPerS * 125;
  network.setDownlink(CLIENT, {
    bandwidthBytesPerMs,
    queueBytes: bandwidthBytesPerMs * path.roundTripMs,
  });
  const [server, client] = [SERVER, CLIENT].map((host) =>
    openSimTransport({ network, host, random: random.fork(host) }),
  );
  const arrivals = new Arrivals(load, () => clock.now());
  const { sizeBytes, warmUpMs } = arrivals;
  const body = new Uint8Array(sizeBytes).fill(7);
  server!.handle('get', () => body);
  const peer = client!.peer(server!.address);
  const call = { expectedBytes: sizeBytes, deadline: Number.POSITIVE_INFINITY };
  const settled = Promise.allSettled(arrivals.receive(() => peer.call('get', null, call)));
  if (load === 'message') await clock.runUntil(settled);
  else await clock.run({ forMs: warmUpMs + 1000 * seconds });
  const mbitPerS = arrivals.mbitPerS ?? 0;
  await clock.runUntil(Promise.all([client!.close(), server!.close()]));
  await settled;
  return mbitPerS;
}
