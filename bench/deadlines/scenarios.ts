// One client that asks ten servers ten times a second, on virtual time, with the real endpoint and estimator; and what
// goes wrong. Each call is written down with what every rule said of it. From `FAULT_MS` on server 0 is to be noticed.

import { setMaxListeners } from 'node:events';
import { gather } from '../../src/index.ts';
import { VirtualClock } from '../../src/sim/clock.ts';
import { SimNetwork } from '../../src/sim/network.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import { openSimTransport } from '../../src/sim/transport.ts';
import { RpcError } from '../../src/transport/error.ts';
import { expectedOf } from '../../src/transport/gather.ts';
import { fixedTenSeconds, oneAndAHalf, type Policy, percentile99 } from './policies.ts';

export const FAULT_MS = 30_000;
const END_MS = 42_000;
const ROUND_MS = 100;
const SERVERS = 10;
/** How long a change is a fault, and not yet how this server is. */
const NEW_FOR_MS = 10_000;

/** What can be done to the world of a scenario. */
interface World {
  readonly clock: VirtualClock;
  readonly network: SimNetwork;
  /** Median service time of server 0; Infinity: it answers nothing any more. */
  serviceMs: number;
  /** Stores 256 KiB at servers 1 to 3, two at a time each, until then. */
  uploadUntil(atMs: number): void;
}

/** Something that happens to ten servers that are 10 ms away and take 10 ms, more or less. */
export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly fault: string;
  readonly endMs?: number;
  readonly begin: (world: World) => void;
}

function hangsAtLast(world: World): void {
  world.clock.setTimer(FAULT_MS, () => {
    world.serviceMs = Number.POSITIVE_INFINITY;
  });
}

function putFarAway(world: World, server: number): void {
  world.network.setLink(CLIENT, hostOf(server), { latencyMs: 100 });
  world.network.setLink(hostOf(server), CLIENT, { latencyMs: 100 });
}

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'uniformly-slow',
    title: 'A peer that is always slow',
    fault: 'its handler hangs',
    begin: (world) => {
      world.serviceMs = 150;
      hangsAtLast(world);
    },
  },
  {
    name: 'becomes-slow',
    title: 'A peer that becomes slow',
    fault: 'it takes 200 ms',
    endMs: 60_000,
    begin: (world) =>
      void world.clock.setTimer(FAULT_MS, () => {
        world.serviceMs = 200;
      }),
  },
  {
    name: 'freezes',
    title: 'A peer that freezes',
    fault: 'its process is stopped',
    begin: ({ clock, network }) => void clock.setTimer(FAULT_MS, () => network.pause(hostOf(0))),
  },
  {
    name: 'far',
    title: 'A far peer among near ones',
    fault: 'the handler of a near one hangs',
    begin: (world) => {
      putFarAway(world, 9);
      hangsAtLast(world);
    },
  },
  {
    name: 'far-hangs',
    title: 'The same, and the far one hangs',
    fault: 'its handler hangs',
    begin: (world) => {
      putFarAway(world, 0);
      hangsAtLast(world);
    },
  },
  {
    name: 'sleeps',
    title: 'A machine that sleeps',
    fault: 'a handler hangs',
    begin: (world) => {
      for (const atMs of [6001, 14_001, 22_001]) {
        world.clock.setTimer(atMs, () => world.network.pause(CLIENT));
        world.clock.setTimer(atMs + 5000, () => world.network.resume(CLIENT));
      }
      hangsAtLast(world);
    },
  },
  {
    name: 'uplink',
    title: 'An overloaded uplink of our own',
    fault: 'a handler hangs',
    begin: (world) => {
      world.network.setUplink(CLIENT, { bandwidthBytesPerMs: 250, queueBytes: 128 * 1024 });
      world.clock.setTimer(10_000, () => world.uploadUntil(18_000));
      hangsAtLast(world);
    },
  },
  {
    name: 'lossy',
    title: 'A network that loses every tenth packet',
    fault: 'a handler hangs',
    begin: (world) => {
      world.network.setDefaultLink({ lossProbability: 0.05 });
      hangsAtLast(world);
    },
  },
];

/** One call, and after how long each rule called it late; `undefined`: not at all. */
export interface ObservedCall {
  readonly peer: number;
  readonly startMs: number;
  elapsedMs: number | undefined;
  readonly kind: 'healthy' | 'faulty';
  /** By rule: what it allowed this call. */
  readonly allowedMs: Map<string, number>;
  readonly alarmAfterMs: Map<string, number>;
}

export const ALONE = 'nevermind';
export const IN_A_GROUP = 'nevermind, in a group';

/** Plays a scenario. The same seed gives the same calls. */
export async function play(scenario: Scenario, seed: string): Promise<ObservedCall[]> {
  const clock = new VirtualClock();
  const random = new SeededRandom(`${seed}/${scenario.name}`);
  const network = new SimNetwork({
    clock,
    random: random.fork('network'),
    link: { latencyMs: 5, jitterMs: 1 },
  });
  const world: World = { clock, network, serviceMs: 10, uploadUntil: (atMs) => uploads.start(atMs) };
  const servers = Array.from({ length: SERVERS }, (_, i) => {
    const draws = random.fork(`service ${i}`);
    const server = openSimTransport({
      network,
      host: hostOf(i),
      port: 4820,
      random: random.fork(`server ${i}`),
    });
    const own = network.clockOf(hostOf(i));
    server.handle(
      'read',
      () =>
        new Promise((resolve) => {
          const medianMs = i === 0 ? world.serviceMs : 10;
          if (medianMs !== Number.POSITIVE_INFINITY) {
            own.setTimer(medianMs * Math.exp(0.5 * normal(draws)), () => resolve(BLOCK));
          }
        }),
      { early: 'safe' },
    );
    server.handle('store', () => true, { early: 'safe' });
    return server;
  });
  const client = openSimTransport({ network, host: CLIENT, random: random.fork('client') });
  const peers = servers.map(({ address }) => client.peer(address));
  const own = network.clockOf(CLIENT);
  const controller = new AbortController();
  const { signal } = controller;
  // Every open round listens to it.
  setMaxListeners(0, signal);
  const endMs = scenario.endMs ?? END_MS;
  const uploads = {
    start: (untilMs: number): void => {
      const one = async (peer: (typeof peers)[number]): Promise<void> => {
        while (clock.now() < untilMs) await peer.call('store', UPLOAD, { deadline: 60_000 }).catch(() => {});
      };
      for (const peer of peers.slice(1, 4)) for (let i = 0; i < 2; i++) void one(peer);
    },
  };
  const policies: readonly Policy[] = [fixedTenSeconds(), percentile99(), oneAndAHalf()];
  const calls: ObservedCall[] = [];

  const round = (): void => {
    const open = new Set<ObservedCall>();
    const attempt = async (
      source: Source,
      s: AbortSignal,
      hooks: { onOverdue: () => void },
    ): Promise<void> => {
      if (source === 'another') {
        // Asked in place of somebody who is late, or has failed: which is the group's alarm.
        const suspects = [...open].filter((call) => !call.alarmAfterMs.has(IN_A_GROUP));
        const suspect = suspects.find(({ kind }) => kind === 'faulty') ?? suspects[0];
        suspect?.alarmAfterMs.set(IN_A_GROUP, clock.now() - suspect.startMs);
        return new Promise(() => {});
      }
      const peer = peers[source]!;
      const startMs = clock.now();
      const since = startMs - FAULT_MS;
      const isFaulty =
        source === 0 &&
        since >= 0 &&
        (world.serviceMs === Number.POSITIVE_INFINITY || since < NEW_FOR_MS || scenario.name === 'freezes');
      const call: ObservedCall = {
        peer: source,
        startMs,
        elapsedMs: undefined,
        kind: isFaulty ? 'faulty' : 'healthy',
        allowedMs: new Map(policies.map((policy) => [policy.name, policy.lateAfterMs(source, startMs)])),
        alarmAfterMs: new Map(),
      };
      call.allowedMs.set(ALONE, peer.overdueAfterMs('read', BLOCK.length));
      calls.push(call);
      open.add(call);
      const onOverdue = (): void => {
        call.alarmAfterMs.set(ALONE, clock.now() - startMs);
        hooks.onOverdue();
      };
      try {
        await peer.call('read', null, { signal: s, expectedBytes: BLOCK.length, onOverdue });
        call.elapsedMs = clock.now() - startMs;
        for (const policy of policies) policy.answered(source, call.elapsedMs, clock.now());
      } catch (error) {
        if (!(error instanceof RpcError)) return;
        // A verdict, too; the group hears of it when it looks for another source.
        if (!call.alarmAfterMs.has(ALONE)) call.alarmAfterMs.set(ALONE, clock.now() - startMs);
        throw error;
      } finally {
        if (call.elapsedMs !== undefined) open.delete(call);
      }
    };
    const expected = expectedOf('read', BLOCK.length);
    gather(sources(), attempt, {
      need: SERVERS,
      clock: own,
      signal,
      // The others are never late themselves.
      expect: (source) => (source === 'another' ? { needMs: 1e9, learnt: false } : expected(peers[source]!)),
    }).catch(() => {});
    if (clock.now() + ROUND_MS < endMs) own.setTimer(ROUND_MS, round);
  };
  scenario.begin(world);
  own.setTimer(0, round);
  await clock.run({ forMs: endMs });
  controller.abort(new Error('the scenario is over'));
  for (const call of calls) {
    for (const { name } of policies) {
      const allowedMs = call.allowedMs.get(name)!;
      if ((call.elapsedMs ?? endMs - call.startMs) > allowedMs) call.alarmAfterMs.set(name, allowedMs);
    }
  }
  network.resume(hostOf(0));
  await clock.runUntil(Promise.all([client, ...servers].map((transport) => transport.close())));
  return calls;
}

type Source = number | 'another';

function* sources(): Generator<Source> {
  for (let i = 0; i < SERVERS; i++) yield i;
  for (;;) yield 'another';
}

const CLIENT = '10.0.1.1';
const BLOCK = new Uint8Array(1000);
const UPLOAD = new Uint8Array(256 * 1024);

function hostOf(server: number): string {
  return `10.0.0.${server + 1}`;
}

/** Standard normal (Box and Muller). */
function normal(random: SeededRandom): number {
  return Math.sqrt(-2 * Math.log(1 - random.float())) * Math.cos(2 * Math.PI * random.float());
}
