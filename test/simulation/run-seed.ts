// One seed from beginning to end: a world is made, faults strike while it works (safety), the network heals and
// everything must settle (liveness), all is closed and nothing may be left. What must hold is said here and in the
// ledgers and watches; what is drawn from the seed, in plan.ts.

import { DEFAULT_CONFIG } from '../../src/protocol/config.ts';
import type { EndpointGauges } from '../../src/protocol/events.ts';
import { formatAddress } from '../../src/protocol/path.ts';
import { VirtualClock } from '../../src/sim/clock.ts';
import { SimNetwork } from '../../src/sim/network.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import type { NetworkEvent, NetworkEventKind } from '../../src/sim/trace.ts';
import { AmplificationWatch } from './amplification-watch.ts';
import { CallLedger } from './call-ledger.ts';
import { drawCalls, makeCalls, RunningHandlers, serveCalls } from './calls-workload.ts';
import { EndpointWatch } from './endpoint-watch.ts';
import { armFaults } from './faults.ts';
import { drawFiles, GridWorkload } from './grid-workload.ts';
import { ClientNode, type NodeWorld, ServerNode } from './nodes.ts';
import type { SimPlan } from './plan.ts';
import { Recorder } from './recorder.ts';
import type { Sometimes } from './sometimes.ts';
import { StoryObserver } from './story.ts';
import { StreamsWorkload } from './streams-workload.ts';
import { Findings, type Tell, type Violation } from './violations.ts';

/** What came of a seed. */
export interface SeedReport {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly sometimes: Partial<Record<Sometimes, number>>;
  /** Over all datagrams, calls and their ends: two runs of a seed must agree. */
  readonly traceHash: string;
  readonly virtualMs: number;
  readonly datagrams: number;
  readonly calls: number;
}

/** Runs a plan, and tells of it what happens. What goes wrong is in the report; it rejects only when the simulation itself is at fault. */
export async function runSeed(plan: SimPlan, tell?: Tell): Promise<SeedReport> {
  const run = new SeedRun(plan, tell);
  // A rejection that nobody handles would end a real process.
  const onUnhandled = (reason: unknown) =>
    run.findings.violated('nothing-thrown', `unhandled: ${describe(reason)}`);
  process.on('unhandledRejection', onUnhandled);
  try {
    await run.run();
  } catch (error) {
    run.findings.violated('nothing-thrown', describe(error));
  } finally {
    process.off('unhandledRejection', onUnhandled);
  }
  return run.report();
}

class SeedRun {
  readonly findings: Findings;
  readonly #plan: SimPlan;
  readonly #clock = new VirtualClock();
  readonly #network: SimNetwork;
  readonly #random: SeededRandom;
  readonly #amplification: AmplificationWatch;
  readonly #ledger: CallLedger;
  readonly #recorder: Recorder | undefined;
  readonly #running = new RunningHandlers();
  readonly #grid: GridWorkload;
  readonly #streams: StreamsWorkload;
  readonly #servers: ServerNode[];
  readonly #clients: ClientNode[];
  readonly #calls;
  #ticks = 0;
  #healedAtMs = Number.POSITIVE_INFINITY;

  constructor(plan: SimPlan, tell: Tell | undefined) {
    this.#plan = plan;
    const random = new SeededRandom(`run ${plan.seed}`);
    this.#random = random;
    this.findings = new Findings(() => this.#clock.now(), tell);
    this.#recorder = plan.faults.includes('replays') ? new Recorder() : undefined;
    const hosts = Array.from({ length: plan.servers }, (_, i) => `10.0.0.${i + 1}`);
    this.#amplification = new AmplificationWatch(hosts, this.findings);
    this.#network = new SimNetwork({
      clock: this.#clock,
      random: random.fork('network'),
      link: plan.link,
      portsRefuse: plan.faults.includes('refusals'),
      trace: (event) => {
        this.#amplification.onNetwork(event);
        this.#recorder?.onNetwork(event);
        if (tell !== undefined) this.#tellNetwork(event);
      },
    });
    const forgetsClients = this.#forgetsClients;
    const world: NodeWorld = {
      network: this.#network,
      findings: this.findings,
      config: plan.config,
      nowMs: () => this.#clock.now(),
      watch: ({ host }) => {
        const watch = new EndpointWatch(host, {
          findings: this.findings,
          amplification: this.#amplification,
          forgetsClients,
          rttMsMax: (seemedMs) => this.#rttMsMax(seemedMs),
          nowMs: () => this.#network.clockOf(host).now(),
        });
        const { tell } = this.findings;
        return tell === undefined ? watch : new StoryObserver(host, watch, tell);
      },
    };
    this.#servers = hosts.map((host, i) => new ServerNode(i, world, random.fork(host)));
    this.#clients = Array.from(
      { length: plan.clients },
      (_, i) => new ClientNode(i, world, random.fork(`client ${i}`)),
    );
    this.#ledger = new CallLedger({
      findings: this.findings,
      now: () => this.#clock.now(),
      pausesOf: (client) => this.#clients[client]!.pauses,
      forgetsClients,
    });
    this.#calls = drawCalls(plan, random.fork('calls'));
    this.#grid = new GridWorkload(drawFiles(plan, random.fork('files')), {
      servers: this.#servers,
      random: random.fork('grid'),
      findings: this.findings,
      mayLie: plan.faults.includes('lying-servers'),
      isOver: this.#isOver,
    });
    this.#streams = new StreamsWorkload(plan, random.fork('streams'), {
      servers: this.#servers,
      findings: this.findings,
      forgetsClients,
      isOver: this.#isOver,
    });
  }

  async run(): Promise<void> {
    await this.#begin();
    const heal = armFaults({ ...this.#world, plan: this.#plan }, this.#random.fork('faults'));
    await this.#clock.run({ until: this.#tick, forMs: this.#plan.safetyMs });
    heal();
    this.#healedAtMs = this.#clock.now();
    this.#recorder?.replayAll(this.#network);
    await this.#settle();
    await this.#letCancelsArrive();
    await this.#reachEverybody();
    await this.#beQuiet();
    await this.#checkStorage();
    this.#ledger.check();
    this.#streams.check();
    await this.#end();
  }

  report(): SeedReport {
    const { counters } = this.#network;
    for (const [kind, name] of Object.entries(NETWORK_SOMETIMES) as [NetworkEventKind, Sometimes][]) {
      this.findings.saw(name, counters[kind]);
    }
    return {
      seed: this.#plan.seed,
      violations: this.findings.violations,
      sometimes: this.findings.sometimes,
      traceHash: `${this.#network.traceHash}${this.#ledger.hash.toString(16).padStart(8, '0')}`,
      virtualMs: this.#clock.now(),
      datagrams: counters.sent,
      calls: this.#ledger.records.size,
    };
  }

  /** Who slept, or stood still, when the network healed begins nothing late: its time is over. */
  readonly #isOver = (): boolean => this.#clock.now() > this.#healedAtMs + 1;

  /** The servers have no room for all clients. */
  get #forgetsClients(): boolean {
    return this.#plan.config.maxServerPeers !== undefined;
  }

  /** Endpoints tell themselves what they send and get. */
  #tellNetwork({ kind, datagram: { bytes, from, to } }: NetworkEvent): void {
    if (kind === 'sent' || kind === 'delivered') return;
    this.findings.tell?.(
      `network: ${bytes.length} bytes from ${formatAddress(from)} to ${formatAddress(to)}: ${kind}`,
    );
  }

  get #world() {
    const { findings } = this;
    return {
      clock: this.#clock,
      network: this.#network,
      servers: this.#servers,
      clients: this.#clients,
      findings,
      recorder: this.#recorder,
    };
  }

  async #begin(): Promise<void> {
    for (const node of this.#servers) {
      node.onStart = () => {
        this.#amplification.restarted(node.host);
        const clock = this.#network.clockOf(node.host);
        serveCalls(node, clock, this.#ledger, this.#running, this.findings);
        this.#streams.serve(node, clock);
        node.transport!.handle('ping', () => 'pong', { early: 'safe' });
      };
      node.start();
    }
    await this.#clock.run({ until: () => this.#servers.every(({ isUp }) => isUp) });
    for (const node of this.#clients) {
      node.onStart = () => {
        const clock = this.#network.clockOf(node.host);
        makeCalls(node, this.#servers, this.#calls, clock, this.#ledger, this.findings, this.#isOver);
        this.#grid.start(node, clock);
        this.#streams.start(node, clock);
      };
      node.onClose = () => this.#ledger.clientEnded(node.index);
      node.onCrash = () => {
        this.#ledger.clientCrashed(node.index);
        this.#grid.clientCrashed(node);
        this.#streams.clientCrashed(node);
      };
      node.start();
    }
  }

  /** The network has healed: every call and every operation on files must come to its end. */
  async #settle(): Promise<void> {
    // Whoever was paused now does what came due meanwhile.
    await this.#clock.run({ until: this.#tick, forMs: 1 });
    const isDone = () => this.#ledger.open === 0 && this.#grid.open === 0 && this.#streams.open === 0;
    await this.#clock.run({
      until: () => {
        this.#tick();
        return isDone() && this.#servers.every(({ isUp }) => isUp);
      },
      forMs: this.#forgetsClients ? FIGHT_MS : SETTLE_MS,
    });
    if (this.#grid.open > 0)
      this.findings.violated('settles', `${this.#grid.open} operations on files never settled`);
  }

  /** Before anybody calls again, which tells a server what it may forget: no cancel may have been lost for good. */
  async #letCancelsArrive(): Promise<void> {
    await this.#clock.run({ until: this.#tick, forMs: CANCELS_ARRIVE_MS });
    // Who was told that there is no way to a server has given up what it had to say to it.
    if (this.#plan.faults.includes('no-route') || this.#forgetsClients) return;
    for (const { token, server, incarnation } of this.#running.of(this.#servers)) {
      if (!this.#ledger.isHandlerToBeTold(token)) continue;
      this.findings.violated(
        'cancel-arrives',
        `nobody waits for call ${token}, and its handler runs on at ${server}.${incarnation}`,
      );
    }
  }

  /** Each client gets an answer from each server, and knows then that it is there. */
  async #reachEverybody(): Promise<void> {
    // Clients that push each other out of a server's memory reach it one after another, or never.
    const groups = this.#forgetsClients ? this.#clients.map((client) => [client]) : [this.#clients];
    if (this.#forgetsClients && this.#ledger.open > 0) return;
    for (const group of groups) {
      const reached = group.flatMap((client) => this.#servers.map((server) => this.#reach(client, server)));
      await this.#clock.runUntil(Promise.all(reached), REACH_MS + 60_000);
    }
    // By now every server knows which calls nobody waits for any more.
    await this.#clock.run({ until: this.#tick, forMs: 5000 });
    const stillRunning = this.#running
      .of(this.#servers)
      .map(({ token }) => token)
      .filter((token) => this.#ledger.isHandlerToBeTold(token));
    if (stillRunning.length > 0) {
      this.findings.violated(
        'handler-told',
        `nobody waits for calls ${stillRunning}, and their handlers run on`,
      );
    }
    for (const { transport } of this.#clients) {
      const { outstandingCalls, outstandingBytes, reassemblyBytes, promisedBytes } = transport!.gauges;
      if (
        this.#ledger.open === 0 &&
        outstandingCalls + outstandingBytes + reassemblyBytes + promisedBytes > 0
      ) {
        this.findings.violated(
          'nothing-left',
          `a client without calls holds ${JSON.stringify(transport!.gauges)}`,
        );
      }
    }
  }

  /** Nobody waits for anything: nothing may be sent. */
  async #beQuiet(): Promise<void> {
    // A server asks a client that is gone six times, on a path that may have seemed slow.
    await this.#clock.run({ until: this.#tick, forMs: QUIET_MS });
    const { sent } = this.#network.counters;
    await this.#clock.run({ until: this.#tick, forMs: QUIET_MS });
    const more = this.#network.counters.sent - sent;
    if (more > 0 && this.#ledger.open === 0)
      this.findings.violated('quiet', `${more} datagrams are sent though nobody calls anybody`);
  }

  /** What a round trip may take, unless a server stood still meanwhile, or somebody held up what the network lost. */
  #rttMsMax(seemedMs: number): number {
    if (this.#recorder !== undefined) return Number.POSITIVE_INFINITY;
    // To a client whose machine has slept meanwhile it seems to have begun later than it did.
    const sinceMs = this.#plan.faults.includes('sleeps') ? 0 : this.#clock.now() - seemedMs;
    if (this.#servers.some(({ paused, resumedAtMs }) => paused || resumedAtMs >= sinceMs)) {
      return Number.POSITIVE_INFINITY;
    }
    const { latencyMs = 0, jitterMs = 0, reorderMs = 0, spikeMs = 0 } = this.#plan.link;
    const queuesMs = this.#plan.faults.includes('slow-uplink') ? QUEUES_MS_MAX : 0;
    return 2 * (latencyMs + jitterMs + reorderMs + spikeMs) + queuesMs + SHORT_STALLS_MS_MAX;
  }

  async #reach(client: ClientNode, server: ServerNode): Promise<void> {
    const peer = client.transport!.peer(server.address);
    const untilMs = this.#clock.now() + REACH_MS;
    for (;;) {
      try {
        await peer.call('ping', null, { idempotent: true, deadline: 3000 });
        break;
      } catch (error) {
        if (this.#clock.now() > untilMs) {
          // Its only place may be held by a handler of a process that is gone.
          if (this.#forgetsClients) return;
          this.findings.violated('reachable', `${client.host} does not reach ${server.host}: ${error}`);
          return;
        }
        await new Promise<void>((again) => void this.#clock.setTimer(250, again));
      }
    }
    if (peer.health !== 'live')
      this.findings.violated('reachable', `${server.host} has answered and is ${peer.health}`);
  }

  async #checkStorage(): Promise<void> {
    const [client] = this.#clients;
    if (this.#plan.files > 0) {
      const clock = this.#network.clockOf(client!.host);
      await this.#clock.runUntil(this.#grid.checkAll(client!, clock), SETTLE_MS);
    }
    for (const server of this.#servers)
      await this.#clock.runUntil(server.shares.check(server.storage!), SETTLE_MS);
    if (this.#plan.files === 0) return;
    // Uploads that their clients could not end are given up in the end.
    await this.#clock.run({ forMs: IDLE_UPLOAD_MS });
    for (const { host, storage, unfinishedUploads } of this.#servers) {
      // What a failing disk refused to remove goes with the next start.
      const mayLeave = this.#plan.faults.includes('disk-errors');
      if (storage!.uploadsUnderWay > 0 || (unfinishedUploads.length > 0 && !mayLeave)) {
        this.findings.violated('nothing-half-written', `${host} holds on to ${unfinishedUploads} for ever`);
      }
    }
    for (const server of this.#servers) {
      server.powerCut();
      server.start();
    }
    await this.#clock.run({ until: () => this.#servers.every(({ isUp }) => isUp) });
    for (const server of this.#servers)
      await this.#clock.runUntil(server.shares.check(server.storage!), SETTLE_MS);
  }

  /** So that something is to be left behind. */
  async #callWithoutWaiting({ transport }: ClientNode): Promise<void> {
    for (const { address } of this.#servers)
      transport!
        .peer(address)
        .call('ping', null, { deadline: 60_000 })
        .catch(() => {});
    await this.#clock.run({ forMs: 0 });
  }

  /** Closes everything; then nothing may be left of it. */
  async #end(): Promise<void> {
    for (const node of [...this.#clients, ...this.#servers]) {
      const { transport, host } = node;
      if (node instanceof ClientNode) await this.#callWithoutWaiting(node);
      const { peerErrors, requestsRefusedStale, earlyDuplicates, duplicateDatagrams } = transport!.stats;
      this.findings.saw('stale id refused', requestsRefusedStale);
      this.findings.saw('small message sent twice', earlyDuplicates);
      this.findings.saw('datagram for duplicates alone', duplicateDatagrams);
      if (peerErrors > 0)
        this.findings.violated('no-peer-errors', `${host} counts ${peerErrors} errors of its peers`);
      if (this.#network.clockOf(host).wokeAtMs() > 0) this.findings.saw('sleep noticed on the wall clock');
      await this.#clock.runUntil(transport!.close());
      await this.#clock.run({ forMs: 1 });
      const timers = this.#network.armedTimersOf(host);
      // A storage server has timers of its own.
      if (timers > 0 && node instanceof ClientNode)
        this.findings.violated('nothing-left', `${host} has ${timers} timers after it was closed`);
      const left = Object.entries(transport!.gauges).filter(([, value]) => value > 0);
      if (left.length > 0)
        this.findings.violated('nothing-left', `${host} holds ${left} after it was closed`);
    }
    for (const { storage, files, host } of this.#servers) {
      await this.#clock.runUntil(storage!.stop());
      if (files!.openFiles > 0)
        this.findings.violated('nothing-left', `${host} has ${files!.openFiles} files open`);
    }
    await this.#clock.run({ forMs: 10_000 });
    if (this.#clock.armedTimers > 0)
      this.findings.violated('nothing-left', `${this.#clock.armedTimers} timers`);
    if (this.#network.openSockets > 0)
      this.findings.violated('nothing-left', `${this.#network.openSockets} sockets`);
  }

  /** Before each step of virtual time; every few of them looks at the bounds. */
  readonly #tick = (): boolean => {
    if (this.#ticks++ % TICKS_PER_CHECK !== 0) return false;
    for (const { transport, host } of [...this.#servers, ...this.#clients]) {
      if (transport !== undefined) this.#checkBounds(host, transport.gauges);
    }
    return false;
  };

  #checkBounds(host: string, gauges: EndpointGauges): void {
    const config = { ...DEFAULT_CONFIG, ...this.#plan.config };
    const messages = this.#ledger.open + this.#servers.length + STREAM_PARTS_MAX * this.#streams.open;
    const bounds: Partial<Record<keyof EndpointGauges, number>> = {
      outstandingCalls: config.maxClientCalls,
      outstandingBytes: config.maxQueuedBytes,
      callingPeers: config.maxServerPeers,
      reassemblyBytes: config.maxReassemblyBytes,
      keptAnswerBytes: Math.max(config.maxKeptResponseBytes, 0),
      promisedBytes: config.maxGrantedBytes + messages * config.initialGrantBytes,
      // A client's attempts and its session; a server's candidates and the session in use.
      sessions: 9 * gauges.calledPeers + 5 * gauges.callingPeers,
    };
    for (const [name, bound] of Object.entries(bounds)) {
      const value = gauges[name as keyof EndpointGauges];
      if (value > bound)
        this.findings.violated('bounded', `${host}: ${name} is ${value}, and at most ${bound}`);
    }
  }
}

const NETWORK_SOMETIMES: Partial<Record<NetworkEventKind, Sometimes>> = {
  lost: 'datagram lost',
  duplicated: 'datagram duplicated',
  replayed: 'datagram replayed',
  reordered: 'datagram reordered',
  corrupted: 'datagram corrupted',
  'too-large': 'datagram too large for a shrunken path',
  partitioned: 'datagram in a partition',
  blackholed: 'datagram in a black hole',
  'queue-full': 'datagram queue overflowed',
  refused: 'datagram to a host without a route',
};

/** Longer than anything may take once all is well. */
const SETTLE_MS = 120_000;
/** Clients for whom a server has no room go on for ever. */
const FIGHT_MS = 10_000;
/** A silent peer is asked every 30 s at least; then some distances between probes on a path of the slowest kind. */
const CANCELS_ARRIVE_MS = 40_000;
const QUIET_MS = 60_000;
/** Two uplinks of 20 bytes/ms with 60 kB waiting. */
const QUEUES_MS_MAX = 6500;
/** Stalls that are too short to be noticed. */
const SHORT_STALLS_MS_MAX = 1500;
/** A silent peer is asked every 30 s at least. */
const REACH_MS = 35_000;
/** Half an hour, and a little. */
const IDLE_UPLOAD_MS = 1_900_000;
const TICKS_PER_CHECK = 16;
/** Two pieces of each stream are read ahead in any case, and up to 2 MiB of 60 KiB each. */
const STREAM_PARTS_MAX = 36;

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
