// The suite `bulk` on virtual time: our flow alone through a simulated bottleneck, seeded, on any machine.

import { VirtualClock } from '../../src/sim/clock.ts';
import { SimNetwork } from '../../src/sim/network.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import { openSimTransport } from '../../src/sim/transport.ts';
import { AT_ONCE, LARGE_MESSAGE_BYTES, type Load, STREAM_MESSAGE_BYTES, WARM_UP_SECONDS } from './loads.ts';

const SERVER = '10.0.0.1';
const CLIENT = '10.0.0.2';

/** A way through a bottleneck that queues as much as is under way when it is full. */
export interface SimulatedPath {
  readonly lossPercent: number;
  readonly roundTripMs: number;
  readonly mbitPerS: number;
}

/** Mbit/s of payload: of one message until it is there, of a stream as on the link, over `seconds` of virtual time between two arrivals. */
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
  const sizeBytes = load === 'message' ? LARGE_MESSAGE_BYTES : STREAM_MESSAGE_BYTES;
  const body = new Uint8Array(sizeBytes).fill(7);
  server!.handle('get', () => body);
  const peer = client!.peer(server!.address);
  const warmUpMs = load === 'message' ? 0 : 1000 * WARM_UP_SECONDS;
  let fromMs = 0;
  let untilMs = 0;
  let receivedBytes = 0;
  const next = async (): Promise<void> => {
    await peer.call('get', null, { expectedBytes: sizeBytes, deadline: Number.POSITIVE_INFINITY });
    untilMs = clock.now();
    if (untilMs < warmUpMs) fromMs = untilMs;
    else receivedBytes += sizeBytes;
  };
  const lane = async (): Promise<void> => {
    for (;;) await next();
  };
  const lanes = load === 'message' ? [next()] : Array.from({ length: AT_ONCE }, lane);
  const settled = Promise.allSettled(lanes);
  if (load === 'message') await clock.runUntil(settled);
  else await clock.run({ forMs: warmUpMs + 1000 * seconds });
  const mbitPerS = receivedBytes === 0 ? 0 : (8 * receivedBytes) / (untilMs - fromMs) / 1000;
  await clock.runUntil(Promise.all([client!.close(), server!.close()]));
  await settled;
  return mbitPerS;
}
