// A simulated network of hosts: opens sockets, carries datagrams between them with whatever faults it was told
// to have, and freezes, crashes or cuts off hosts. All time from one VirtualClock, all chance from one seed.

import type { Clock } from '../base/clock.ts';
import type { DatagramSocket, SocketAddress } from '../datagram/datagram-socket.ts';
import { RpcError } from '../transport/error.ts';
import type { VirtualClock } from './clock.ts';
import { type SharedBottleneck, SimHost, SimSocket, type SocketNetwork } from './host.ts';
import { healed, Link, type LinkSettings, QUIET_LINK, type Shape } from './link.ts';
import type { SeededRandom } from './random.ts';
import { type Datagram, type NetworkEvent, type NetworkEventKind, NetworkTrace } from './trace.ts';

/** What a network is made of. */
export interface SimNetworkOptions {
  readonly clock: VirtualClock;
  readonly random: SeededRandom;
  /** What every link does unless told otherwise; the rest is as in `QUIET_LINK`. */
  readonly link?: Partial<LinkSettings> | undefined;
  /** How much a socket holds for a frozen process. Default 4 MiB, what the transport asks of a real one. */
  readonly receiveBufferBytes?: number | undefined;
  /** Machines say of a port that nobody listens at it, to who asks; by default a firewall keeps silent for them. */
  readonly portsRefuse?: boolean | undefined;
  /** Called with everything that happens to a datagram. */
  readonly trace?: ((event: NetworkEvent) => void) | undefined;
}

/** Hosts, named by their IP address, and the links between each two of them, one per direction. */
export class SimNetwork {
  readonly #clock: VirtualClock;
  readonly #random: SeededRandom;
  readonly #receiveBufferBytes: number;
  readonly #portsRefuse: boolean;
  readonly #trace: NetworkTrace;
  readonly #hosts = new Map<string, SimHost>();
  /** By sender, then by receiver. */
  readonly #links = new Map<string, Map<string, DirectedLink>>();
  readonly #sockets: SocketNetwork;
  #defaults: LinkSettings;
  #nextPort = 40_000;

  constructor(options: SimNetworkOptions) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#receiveBufferBytes = options.receiveBufferBytes ?? 4 * 1024 * 1024;
    this.#portsRefuse = options.portsRefuse ?? false;
    this.#trace = new NetworkTrace(options.trace);
    this.#defaults = { ...QUIET_LINK, ...options.link };
    this.#sockets = {
      ceilingBytes: (from, to) => Math.max(1200, this.#link(from.host, to.host).settings.interfaceBytes),
      send: (bytes, from, to) => this.#send(bytes, from, to),
      askMachine: (from, at, onAlive) => this.#askMachine(from.host, at.host, onAlive),
      askWhetherOpen: (from, to, onRefused) => this.#askWhetherOpen(from.host, to, onRefused),
    };
  }

  /** How often each thing has happened. */
  get counters(): Readonly<Record<NetworkEventKind, number>> {
    return this.#trace.counters;
  }

  get sentBytes(): number {
    return this.#trace.sentBytes;
  }

  get deliveredBytes(): number {
    return this.#trace.deliveredBytes;
  }

  /** 64 bits over everything that happened: two runs of one seed must agree. */
  get traceHash(): string {
    return this.#trace.hash;
  }

  /**
   * Binds a socket; without a port, to one that is free.
   * @throws RpcError ADDRESS_IN_USE
   */
  open(hostName: string, port: number = this.#nextPort++): DatagramSocket {
    const host = this.#host(hostName);
    if (host.sockets.has(port)) {
      throw new RpcError('ADDRESS_IN_USE', `${hostName}:${port} is in use by another simulated socket`);
    }
    const socket = new SimSocket(this.#sockets, host, port);
    host.sockets.set(port, socket);
    host.exists = true;
    return socket;
  }

  /** Sockets that are open, on all hosts: 0 once everything was closed, or something leaks. */
  get openSockets(): number {
    let count = 0;
    for (const host of this.#hosts.values()) count += host.sockets.size;
    return count;
  }

  /** The clock for everything on one host; its timers wait while the host is paused. */
  clockOf(host: string): Clock {
    return this.#host(host).clock;
  }

  /** The wall clock of a host. */
  unixMsOf(host: string): number {
    return this.#host(host).unixMs();
  }

  /** Somebody sets the wall clock of a host forward, or back. */
  setWallClock(host: string, byMs: number): void {
    this.#host(host).wallClockAheadMs += byMs;
  }

  /** Timers that are armed on one host. */
  armedTimersOf(host: string): number {
    return this.#host(host).armedTimers;
  }

  /** Changes what every link does that was not told otherwise by {@link setLink}. */
  setDefaultLink(settings: Partial<LinkSettings>): void {
    this.#defaults = { ...this.#defaults, ...settings };
    for (const link of this.#everyLink()) this.#applySettings(link);
  }

  /** Changes one direction between two hosts, on top of the default. */
  setLink(from: string, to: string, settings: Partial<LinkSettings>): void {
    const link = this.#link(from, to);
    link.overrides = { ...link.overrides, ...settings };
    this.#applySettings(link);
  }

  /** A bottleneck shared by everything that a host sends; undefined takes it away. */
  setUplink(host: string, shape: Shape | undefined): void {
    this.#host(host).uplink.shape = shape;
  }

  /** A bottleneck shared by everything that a host receives; undefined takes it away. */
  setDownlink(host: string, shape: Shape | undefined): void {
    this.#host(host).downlink.shape = shape;
  }

  /** Nothing gets from one host to the other any more; the way back is not touched. */
  cut(from: string, to: string): void {
    this.#link(from, to).cut = true;
  }

  /** Ends a {@link cut}. */
  mend(from: string, to: string): void {
    this.#link(from, to).cut = false;
  }

  /** Cuts all ways between two groups of hosts. */
  partition(group: readonly string[], others: readonly string[]): void {
    for (const a of group) {
      for (const b of others) {
        this.cut(a, b);
        this.cut(b, a);
      }
    }
  }

  /** What a host sends, and what is sent to it, vanishes. */
  blackhole(host: string): void {
    this.#host(host).blackholed = true;
  }

  /** Ends a {@link blackhole}. */
  unblackhole(host: string): void {
    this.#host(host).blackholed = false;
  }

  /** Whether there is a route to a host; without one its senders are told ENETUNREACH. */
  setReachable(host: string, reachable: boolean): void {
    this.#host(host).reachable = reachable;
  }

  /**
   * What a host's sockets send comes from other ports from now on, and only those lead to them: a NAT on the way
   * has forgotten them.
   */
  rebind(host: string): void {
    const { name, sockets } = this.#host(host);
    for (const [port, socket] of [...sockets]) {
      socket.outside = { host: name, port: this.#nextPort++ };
      sockets.delete(port);
      sockets.set(socket.outside.port, socket);
    }
  }

  /** Somebody on the way sends a datagram that was recorded before, from the same address, to where it went. */
  replay({ bytes, from, to }: Datagram): void {
    const copy: Datagram = { bytes: bytes.slice(), from, to };
    this.#note('replayed', copy);
    this.#receive(copy);
  }

  /** Freezes a host's process, as SIGSTOP does: see {@link SimHost}. */
  pause(host: string): void {
    this.#host(host).freeze();
  }

  /** A host's machine sleeps, its monotonic clock with it: see {@link SimHost}. */
  sleep(host: string): void {
    this.#host(host).sleep();
  }

  /** Ends a {@link pause}, or a {@link sleep}. */
  resume(host: string): void {
    this.#host(host).thaw();
  }

  /** Ends a host's process at once, with its timers, sockets and memory; it may be started again. */
  crash(host: string): void {
    this.#host(host).crash();
  }

  /** Ends all cuts, blackholes and faults of links, for a phase in which everything must settle. */
  heal(): void {
    this.#defaults = { ...this.#defaults, ...healed({}) };
    for (const link of this.#everyLink()) {
      link.cut = false;
      link.overrides = healed(link.overrides);
      this.#applySettings(link);
    }
    for (const host of this.#hosts.values()) {
      host.blackholed = false;
      host.reachable = true;
    }
  }

  #host(name: string): SimHost {
    let host = this.#hosts.get(name);
    if (host === undefined) {
      host = new SimHost(name, this.#clock);
      this.#hosts.set(name, host);
    }
    return host;
  }

  #link(from: string, to: string): DirectedLink {
    let links = this.#links.get(from);
    if (links === undefined) {
      links = new Map();
      this.#links.set(from, links);
    }
    let link = links.get(to);
    if (link === undefined) {
      const path = new Link(this.#random.fork(`${from}>${to}`));
      link = { path, settings: this.#defaults, overrides: {}, cut: false };
      links.set(to, link);
    }
    return link;
  }

  *#everyLink(): Generator<DirectedLink> {
    for (const links of this.#links.values()) yield* links.values();
  }

  #applySettings(link: DirectedLink): void {
    link.settings = { ...this.#defaults, ...link.overrides };
  }

  #send(bytes: Uint8Array, socket: SimSocket, to: SocketAddress): void {
    const datagram: Datagram = { bytes, from: socket.outside, to };
    const refused = bytes.length > UDP_PAYLOAD_MAX_BYTES ? 'EMSGSIZE' : this.#routeError(to);
    if (refused !== undefined) {
      this.#note('refused', datagram);
      socket.host.clock.setTimer(0, () => socket.onSendError(to, refused, bytes.length));
      return;
    }
    this.#note('sent', datagram);
    if (this.#isBlocked(datagram)) return;
    this.#pass(socket.host.uplink, datagram, () => this.#enterLink(datagram));
  }

  #enterLink(datagram: Datagram): void {
    const link = this.#link(datagram.from.host, datagram.to.host);
    const passage = link.path.pass(datagram.bytes.length, this.#clock.now(), link.settings);
    if (passage.outcome !== 'passed') {
      this.#note(passage.outcome, datagram);
      return;
    }
    if (passage.late) this.#note('reordered', datagram);
    if (passage.copyArrivesAtMs !== undefined) {
      this.#note('duplicated', datagram);
      const copy: Datagram = { ...datagram, bytes: datagram.bytes.slice() };
      this.#at(passage.copyArrivesAtMs, () => this.#arrive(copy));
    }
    if (passage.corrupt) {
      this.#note('corrupted', datagram);
      link.path.corrupt(datagram.bytes);
    }
    this.#at(passage.arrivesAtMs, () => this.#arrive(datagram));
  }

  #arrive(datagram: Datagram): void {
    if (this.#isBlocked(datagram)) return;
    this.#pass(this.#host(datagram.to.host).downlink, datagram, () => this.#receive(datagram));
  }

  #receive(datagram: Datagram): void {
    const { bytes, from, to } = datagram;
    const host = this.#host(to.host);
    const socket = host.sockets.get(to.port);
    if (socket === undefined) {
      this.#note('unbound', datagram);
      return;
    }
    if (socket.bufferedBytes + bytes.length > this.#receiveBufferBytes) {
      this.#note('buffer-full', datagram);
      return;
    }
    socket.bufferedBytes += bytes.length;
    host.run(() => {
      socket.bufferedBytes -= bytes.length;
      this.#note(socket.closed ? 'unbound' : 'delivered', datagram);
      socket.onDatagram(bytes, from);
    });
  }

  #askWhetherOpen(from: string, to: SocketAddress, onRefused: () => void): void {
    if (!this.#portsRefuse) return;
    this.#askMachine(from, to.host, () => {
      if (!this.#host(to.host).sockets.has(to.port)) onRefused();
    });
  }

  /** A question to an operating system, which answers also for processes that are frozen or gone; never lost. */
  #askMachine(from: string, at: string, onAlive: () => void): void {
    const there = this.#link(from, at).settings.latencyMs;
    const back = this.#link(at, from).settings.latencyMs;
    const nowMs = this.#clock.now();
    const passes = () => !this.#isCut(from, at) && !this.#isCut(at, from);
    if (!this.#host(at).exists || !passes()) return;
    this.#at(nowMs + there + back, () => {
      if (passes()) onAlive();
    });
  }

  #isCut(from: string, to: string): boolean {
    return this.#host(from).isDark || this.#host(to).isDark || this.#link(from, to).cut;
  }

  #routeError(to: SocketAddress): string | undefined {
    return this.#host(to.host).reachable ? undefined : 'ENETUNREACH';
  }

  /** Asked on both ends of the way: what is under way when a way is cut does not arrive. */
  #isBlocked(datagram: Datagram): boolean {
    const from = this.#host(datagram.from.host);
    const to = this.#host(datagram.to.host);
    const blackholed = from.isDark || to.isDark;
    if (blackholed) this.#note('blackholed', datagram);
    else if (this.#link(from.name, to.name).cut) this.#note('partitioned', datagram);
    else return false;
    return true;
  }

  /** Goes on with `next` when the datagram is through a host's own bottleneck. */
  #pass(bottleneck: SharedBottleneck, datagram: Datagram, next: () => void): void {
    if (bottleneck.shape === undefined) {
      next();
      return;
    }
    const { shape, queue } = bottleneck;
    const leavesAtMs = queue.departureMs(this.#clock.now(), datagram.bytes.length, shape);
    if (leavesAtMs === undefined) this.#note('queue-full', datagram);
    else this.#at(leavesAtMs, next);
  }

  #note(kind: NetworkEventKind, datagram: Datagram): void {
    this.#trace.note(kind, this.#clock.now(), datagram);
  }

  #at(timeMs: number, task: () => void): void {
    this.#clock.setTimerAt(timeMs, task);
  }
}

interface DirectedLink {
  readonly path: Link;
  /** What it does: the network's defaults and, over them, its own overrides. */
  settings: LinkSettings;
  overrides: Partial<LinkSettings>;
  cut: boolean;
}

/** 65535 less the headers of IPv4 and UDP. */
const UDP_PAYLOAD_MAX_BYTES = 65_507;
