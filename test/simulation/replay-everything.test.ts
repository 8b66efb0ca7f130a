// Every packet of a run, sent again at every later point of it: to the server that has got it, and to the process that
// is started after that. Nothing may run a second time.

import { describe, expect, test } from 'vitest';
import { VirtualClock } from '../../src/sim/clock.ts';
import { SimNetwork } from '../../src/sim/network.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import type { Datagram } from '../../src/sim/trace.ts';
import { addressAt, openSimTransport } from '../../src/sim/transport.ts';

const CLIENT = '10.0.0.1';
const SERVER = '10.0.0.2';

/** What is done to a run: packet `packet` is sent again when `after` packets have been sent, perhaps to a new process. */
interface Replay {
  readonly packet: number;
  readonly after: number;
  readonly restart: boolean;
}

/** Two first datagrams with early and other calls, then calls in the session, one large, one cancelled, a retransmission. */
async function run(replay?: Replay) {
  const clock = new VirtualClock();
  const random = new SeededRandom('replay everything');
  const recorded: Datagram[] = [];
  const network = new SimNetwork({
    clock,
    random: random.fork('network'),
    link: { latencyMs: 5 },
    trace: ({ kind, datagram: { bytes, from, to } }) => {
      if (kind !== 'sent') return;
      recorded.push({ bytes: bytes.slice(), from, to });
      if (replay !== undefined && recorded.length === replay.after) clock.setTimer(6, doReplay);
    },
  });
  const runs = new Map<unknown, number>();
  let processes = 0;
  const serve = () => {
    const server = openSimTransport({
      network,
      host: SERVER,
      port: 1,
      random: random.fork(`${processes++}`),
    });
    const handle = (request: unknown) => {
      const [id] = request as [string];
      runs.set(id, (runs.get(id) ?? 0) + 1);
      return id === 'hangs' ? new Promise(() => {}) : id;
    };
    server.handle('early', handle, { early: 'safe' });
    server.handle('late', handle);
  };
  const doReplay = () => {
    if (replay!.restart) {
      network.crash(SERVER);
      serve();
    }
    network.replay(recorded[replay!.packet]!);
  };
  serve();
  const client = openSimTransport({ network, host: CLIENT, random: random.fork(CLIENT) });
  const peer = client.peer(addressAt(SERVER, 1));
  const ends: Promise<unknown>[] = [];
  const call = (method: string, id: string, bytes = 10, signal?: AbortSignal) =>
    ends.push(peer.call(method, [id, new Uint8Array(bytes)], { signal, deadline: 2000 }).catch(() => {}));
  const never = new AbortController();
  call('early', 'early, in a first datagram');
  call('late', 'late, in a first datagram');
  clock.setTimer(40, () => {
    call('late', 'in the session');
    call('late', 'hangs', 10, never.signal);
    call('early', 'large', 4000);
  });
  clock.setTimer(90, () => never.abort(new Error('never mind')));
  // What is sent now is lost, and sent again.
  clock.setTimer(100, () => network.cut(CLIENT, SERVER));
  clock.setTimer(101, () => call('late', 'retransmitted'));
  clock.setTimer(102, () => network.mend(CLIENT, SERVER));
  await clock.run({ forMs: 3000 });
  await clock.runUntil(Promise.all(ends));
  return { runs, packets: recorded.length };
}

describe('a packet that is sent again', () => {
  test.each([
    ['to the server that has got it', false],
    ['to the process that is started after that one', true],
  ])('at any later point, %s, makes nothing run twice', async (_, restart) => {
    const { packets, runs } = await run();
    expect([...runs.values()]).toEqual(Array(6).fill(1));
    expect(packets).toBeGreaterThan(15);
    const twice: string[] = [];
    for (let after = 1; after <= packets; after++) {
      for (let packet = 0; packet < after; packet++) {
        const replayed = await run({ packet, after, restart });
        for (const [id, times] of replayed.runs) {
          if (times > 1) twice.push(`${id}: ${times} times, with packet ${packet} again after ${after}`);
        }
      }
    }
    expect(twice).toEqual([]);
  });
});
