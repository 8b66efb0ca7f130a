// What each kind of fault does and when: drawn for a run, carried out on virtual time, and over when the run heals.

import type { Timer } from '../../src/base/clock.ts';
import type { VirtualClock } from '../../src/sim/clock.ts';
import type { SimNetwork } from '../../src/sim/network.ts';
import type { SeededRandom } from '../../src/sim/random.ts';
import type { ClientNode, ServerNode } from './nodes.ts';
import type { FaultKind, SimPlan } from './plan.ts';
import type { Recorder } from './recorder.ts';
import type { Findings } from './violations.ts';

/** What faults are done to. */
export interface FaultWorld {
  readonly clock: VirtualClock;
  readonly network: SimNetwork;
  readonly servers: readonly ServerNode[];
  readonly clients: readonly ClientNode[];
  readonly findings: Findings;
  readonly plan: SimPlan;
  /** There when packets are replayed. */
  readonly recorder: Recorder | undefined;
}

/** Does something after a time, unless the run heals before. */
type Later = (afterMs: number, task: () => void) => void;

/** Arms all faults of a run; returns what ends those that are under way. */
export function armFaults(world: FaultWorld, random: SeededRandom): () => void {
  const { plan, clock } = world;
  const timers: Timer[] = [];
  const later: Later = (afterMs, task) => void timers.push(clock.setTimer(afterMs, task));
  for (const kind of plan.faults) {
    const own = random.fork(kind);
    const times = kind === 'replays' ? own.int(3, 12) : own.int(1, 3);
    for (let i = 0; i < times; i++) {
      later(own.between(0, kind === 'lying-servers' ? plan.safetyMs / 4 : plan.safetyMs), () =>
        begin(kind, world, own, later),
      );
    }
  }
  return () => {
    for (const timer of timers) timer.cancel();
    heal(world);
  };
}

/** Everything works again: network, processes, disks. */
function heal({ network, servers, clients, findings }: FaultWorld): void {
  findings.tell?.('everything heals');
  network.heal();
  for (const { host } of [...servers, ...clients]) network.setUplink(host, undefined);
  for (const node of servers) {
    node.disk.fault = undefined;
    node.disk.capacityBytes = Number.POSITIVE_INFINITY;
    node.lies = false;
  }
  for (const node of [...servers, ...clients]) {
    if (node.paused) node.resume();
    if (!isRunning(node)) node.start();
  }
}

function isRunning(node: ServerNode | ClientNode): boolean {
  return node.isUp || ('files' in node && node.files !== undefined);
}

/** One fault begins; it ends by itself unless the run heals before. */
function begin(kind: FaultKind, world: FaultWorld, random: SeededRandom, later: Later): void {
  const { network, servers, clients, findings, recorder } = world;
  findings.tell?.(`fault: ${kind}`);
  const server = random.pick(servers);
  const client = random.pick(clients);
  const node = random.pick<ServerNode | ClientNode>([...servers, ...clients]);
  const lastsMs = random.pick([30, 400, 3000, 20_000]);
  switch (kind) {
    case 'loss':
    case 'bursts':
    case 'duplication':
    case 'reordering':
    case 'corruption':
    case 'spikes':
    case 'refusals':
      // The network does it by itself.
      return;
    case 'replays':
      recorder?.replaySome(network, random);
      return;
    case 'slow-uplink':
      network.setUplink(node.host, {
        bandwidthBytesPerMs: random.pick([20, 200, 2000]),
        queueBytes: random.pick([5000, 60_000]),
      });
      later(lastsMs, () => network.setUplink(node.host, undefined));
      return;
    case 'partitions': {
      const group = random.shuffle(servers).slice(0, random.int(1, servers.length));
      const hosts = group.map(({ host }) => host);
      network.partition([client.host], hosts);
      later(lastsMs, () => {
        for (const host of hosts) {
          network.mend(client.host, host);
          network.mend(host, client.host);
        }
      });
      return;
    }
    case 'one-way-partitions': {
      const [from, to] = random.chance(0.5) ? [client.host, server.host] : [server.host, client.host];
      network.cut(from, to);
      later(lastsMs, () => network.mend(from, to));
      return;
    }
    case 'black-holes':
      network.blackhole(node.host);
      later(lastsMs, () => network.unblackhole(node.host));
      return;
    case 'no-route':
      network.setReachable(server.host, false);
      later(lastsMs, () => network.setReachable(server.host, true));
      return;
    case 'mtu-shrinks':
      network.setDefaultLink({ mtuBytes: random.pick([1200, 1300, 1500, 8000]) });
      later(lastsMs, () => network.setDefaultLink({ mtuBytes: Number.POSITIVE_INFINITY }));
      return;
    case 'nat-rebinding':
      network.rebind(client.host);
      return;
    case 'server-crashes':
    case 'client-crashes': {
      const victim = kind === 'server-crashes' ? server : client;
      if (!victim.isUp) return;
      findings.saw(kind === 'server-crashes' ? 'server crashed' : 'client crashed');
      victim.crash();
      later(random.pick([1, 50, lastsMs]), () => {
        if (!isRunning(victim)) victim.start();
      });
      return;
    }
    case 'client-closes':
      if (client.isUp && !client.paused) void client.restart();
      return;
    case 'power-cuts': {
      let left = random.int(1, 60);
      server.disk.fault = () => (--left === 0 ? 'crash' : undefined);
      const restart = () => {
        if (!isRunning(server)) server.start();
        later(500, restart);
      };
      later(500, restart);
      return;
    }
    case 'pauses':
    case 'stalls':
      if (node.paused) return;
      findings.saw(kind === 'pauses' ? 'process paused for long' : 'event loop stalled');
      node.pause();
      later(kind === 'pauses' ? random.pick([2000, 10_000, 60_000]) : random.between(20, 900), () =>
        node.resume(),
      );
      return;
    case 'sleeps':
      if (node.paused) return;
      findings.saw('machine slept');
      node.sleep();
      later(random.pick([2000, 10_000, 60_000]), () => node.resume());
      return;
    case 'wall-clock-jumps':
      findings.saw('wall clock jumped');
      network.setWallClock(node.host, random.pick([-86_400_000, -61_000, -1000, 1000, 61_000, 86_400_000]));
      return;
    case 'disk-full':
      server.disk.capacityBytes = server.disk.usedBytes + random.pick([0, 1000, 5000]);
      later(lastsMs, () => {
        server.disk.capacityBytes = Number.POSITIVE_INFINITY;
      });
      return;
    case 'disk-errors': {
      const probability = random.pick([0.02, 0.2, 1]);
      server.disk.fault = () => (random.chance(probability) ? { code: 'EIO' } : undefined);
      later(lastsMs, () => {
        server.disk.fault = undefined;
      });
      return;
    }
    case 'lying-servers':
      // It does so until the run heals: whether anybody reads meanwhile is another matter.
      server.lies = true;
      return;
    default:
      kind satisfies never;
  }
}
