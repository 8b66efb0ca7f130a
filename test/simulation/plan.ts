// What one seed does: how large the world is, which kinds of fault it has (a random subset: swarm testing, Groce et
// al., ISSTA 2012), how the network and the endpoints are set up, and how much work there is. What the faults do and
// when is in faults.ts.

import type { ProtocolConfig } from '../../src/protocol/config.ts';
import type { LinkSettings } from '../../src/sim/link.ts';
import { SeededRandom } from '../../src/sim/random.ts';

const FAULTS = [
  'loss',
  'bursts',
  'duplication',
  'reordering',
  'corruption',
  'replays',
  'spikes',
  'slow-uplink',
  'partitions',
  'one-way-partitions',
  'black-holes',
  'no-route',
  'refusals',
  'mtu-shrinks',
  'nat-rebinding',
  'server-crashes',
  'client-crashes',
  'client-closes',
  'power-cuts',
  'pauses',
  'stalls',
  'sleeps',
  'wall-clock-jumps',
  'disk-full',
  'disk-errors',
  'lying-servers',
] as const;

export type FaultKind = (typeof FAULTS)[number];

/** Everything about a run that is drawn from its seed before it begins. */
export interface SimPlan {
  readonly seed: number;
  readonly servers: number;
  readonly clients: number;
  readonly faults: readonly FaultKind[];
  readonly link: Partial<LinkSettings>;
  /** Numbers of the protocol made small, so that bounds are met. */
  readonly config: Partial<ProtocolConfig>;
  /** How long faults last; then the network heals. */
  readonly safetyMs: number;
  readonly callsPerClient: number;
  readonly streamsPerClient: number;
  readonly files: number;
}

export const WORKLOADS = ['calls', 'grid', 'both'] as const;

/** Which work a run has. */
export type Workload = (typeof WORKLOADS)[number];

/** What is given instead of drawn. */
export interface GivenPlan {
  readonly workload?: Workload | undefined;
  /** Kinds of fault that there are in any case, besides those that are drawn. */
  readonly faults?: readonly FaultKind[] | undefined;
  readonly config?: Partial<ProtocolConfig> | undefined;
}

/** Draws a plan. */
export function drawPlan(seed: number, given: GivenPlan = {}): SimPlan {
  const random = new SeededRandom(`plan ${seed}`);
  const work = given.workload ?? random.pick(['calls', 'calls', 'calls', 'grid', 'both'] as const);
  const ratio = random.pick([0, 0.15, 0.3, 0.5]);
  const faults = FAULTS.filter((kind) => random.chance(ratio) || given.faults?.includes(kind));
  const hasGrid = work !== 'calls';
  return {
    seed,
    servers: hasGrid ? random.int(3, 5) : random.int(1, 3),
    clients: random.int(1, 2),
    faults,
    link: drawLink(random, new Set(faults)),
    config: { ...drawConfig(random, hasGrid), ...given.config },
    safetyMs: random.pick([1000, 3000, 8000, 20_000]),
    callsPerClient: work === 'grid' ? 0 : random.pick([10, 30, 60]),
    streamsPerClient: work === 'grid' ? 0 : random.pick([0, 0, 1, 3]),
    files: hasGrid ? random.int(1, 3) : 0,
  };
}

function drawLink(random: SeededRandom, faults: ReadonlySet<FaultKind>): Partial<LinkSettings> {
  const latencyMs = random.pick([0.1, 1, 10, 40, 120]);
  return {
    latencyMs,
    jitterMs: random.pick([0, 0, 1, latencyMs]),
    interfaceBytes: random.pick([1200, 1472, 9000, 65_507]),
    ...(faults.has('loss') && { lossProbability: random.between(0.01, 0.3) }),
    ...(faults.has('bursts') && {
      burstProbability: random.between(0.001, 0.02),
      burstMs: random.pick([10, 100, 400]),
    }),
    ...(faults.has('duplication') && {
      duplicateProbability: random.pick([0.02, 0.3]),
      reorderMs: 3 * latencyMs + 5,
    }),
    ...(faults.has('reordering') && {
      reorderProbability: random.pick([0.05, 0.3]),
      reorderMs: random.pick([1, 3 * latencyMs + 5]),
    }),
    ...(faults.has('corruption') && { corruptProbability: random.pick([0.01, 0.1]) }),
    ...(faults.has('spikes') && {
      spikeProbability: random.between(0.001, 0.01),
      spikeMs: random.pick([50, 500]),
    }),
  };
}

/** Each bound is left alone in most runs, so that they do not hide each other. */
function drawConfig(random: SeededRandom, hasGrid: boolean): Partial<ProtocolConfig> {
  const rarely = <T extends object>(values: T): T | undefined => (random.chance(0.12) ? values : undefined);
  const harmless: Partial<ProtocolConfig> = {
    ...rarely({ maxGrantedBytes: 64 * 1024, grantAheadBytes: 32 * 1024, initialGrantBytes: 4096 }),
    ...rarely({ initialGrantBytes: random.pick([1024, 8192]) }),
    ...rarely({ maxAckRanges: random.int(2, 8) }),
    // A fork: what is drawn besides stays what it is.
    earlyDuplicates: random.fork('duplicates').pick([0.1, 0.1, 2, false]),
  };
  // The grid cannot do its work with a handful of calls.
  if (hasGrid) return harmless;
  return {
    ...harmless,
    ...rarely({ maxKeptResponseBytes: random.pick([1500, 20_000]) }),
    ...rarely({ maxSettledRanges: random.int(1, 8) }),
    ...rarely({ maxCallsPerPeer: random.int(2, 12) }),
    ...rarely({ maxServerPeers: 1 }),
    ...rarely({ maxReassemblyBytesPerPeer: random.pick([100_000, 300_000]) }),
    ...rarely({ maxReassemblyBytes: random.pick([150_000, 400_000]) }),
    ...rarely({ maxClientCalls: random.int(3, 20) }),
    ...rarely({ maxQueuedBytes: random.pick([50_000, 400_000]) }),
    ...rarely({ maxMessageBytes: 100_000 }),
  };
}
