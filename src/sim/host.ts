// One simulated machine with one process on it: its clock, which stands still for the process while it is frozen, and
// its sockets. What happens between machines is in network.ts.

import type { Clock, Timer } from '../base/clock.ts';
import { SleepWatch } from '../base/sleep-watch.ts';
import type { DatagramSocket, SocketAddress } from '../datagram/datagram-socket.ts';
import { Bottleneck, type Shape } from './link.ts';

/** A bottleneck for everything that a host sends, or receives; without a shape there is none. */
export interface SharedBottleneck {
  shape: Shape | undefined;
  readonly queue: Bottleneck;
}

/**
 * A host. Time goes on for a frozen process as it does for one that got SIGSTOP: `clock.now()` moves, but its
 * timers fire, its datagrams arrive and what it sends leaves only once it is resumed; due timers first, then
 * datagrams in order of arrival, each in a turn of its own. For one whose machine sleeps it is the same, but that
 * `clock.now()` and its timers stand still, only the wall clock goes on, and datagrams to and from it vanish.
 */
export class SimHost {
  readonly name: string;
  /** The clock for everything that runs on this host. */
  readonly clock: Clock;
  /** By the port that others reach them at. */
  readonly sockets: Map<number, SimSocket> = new Map();
  readonly uplink: SharedBottleneck = { shape: undefined, queue: new Bottleneck() };
  readonly downlink: SharedBottleneck = { shape: undefined, queue: new Bottleneck() };
  /** There is such a machine: something has listened on it once. */
  exists = false;
  blackholed = false;
  /** By how much its wall clock was set forward, or back. */
  wallClockAheadMs = 0;
  reachable = true;
  readonly #world: Clock;
  readonly #sleepWatch = new SleepWatch();
  #frozen = false;
  /** While the machine sleeps: since when. And how long it has slept before. */
  #asleepSinceMs: number | undefined;
  #sleptMs = 0;
  /** The latest timer that fired was due then: a difference of sums may have been rounded to a time before. */
  #nowMinMs = Number.NEGATIVE_INFINITY;
  /** Turns of the process that came due while it was frozen. */
  #dueTimers: HostTimer[] = [];
  #dueWork: (() => void)[] = [];
  readonly #armed = new Set<HostTimer>();

  constructor(name: string, world: Clock) {
    this.name = name;
    this.#world = world;
    this.clock = {
      now: () => Math.max(this.#nowMinMs, (this.#asleepSinceMs ?? world.now()) - this.#sleptMs),
      wokeAtMs: () => this.#sleepWatch.look(this.clock.now(), this.unixMs()),
      setTimer: (delayMs, fire) => this.#setTimer(delayMs, fire),
    };
  }

  /** Nothing comes from it, nothing gets to it. */
  get isDark(): boolean {
    return this.blackholed || this.#asleepSinceMs !== undefined;
  }

  get frozen(): boolean {
    return this.#frozen;
  }

  /** Timers of its process that have neither fired nor been cancelled. */
  get armedTimers(): number {
    return this.#armed.size;
  }

  /** Its wall clock. */
  unixMs(): number {
    return EPOCH_UNIX_MS + this.#world.now() + this.wallClockAheadMs;
  }

  freeze(): void {
    this.#frozen = true;
  }

  /** As {@link freeze}, of the whole machine: its monotonic clock stops. */
  sleep(): void {
    this.#frozen = true;
    this.#asleepSinceMs ??= this.#world.now();
  }

  thaw(): void {
    if (!this.#frozen) return;
    this.#frozen = false;
    this.#endSleep();
    const timers = this.#dueTimers;
    const work = this.#dueWork;
    this.#dueTimers = [];
    this.#dueWork = [];
    for (const timer of timers) timer.arm(this.#world, 0);
    for (const task of work) this.#world.setTimer(0, () => this.run(task));
  }

  #endSleep(): void {
    if (this.#asleepSinceMs === undefined) return;
    this.#sleptMs += this.#world.now() - this.#asleepSinceMs;
    this.#asleepSinceMs = undefined;
  }

  /** Runs `task` as a turn of the process: now, or when it is resumed. */
  run(task: () => void): void {
    if (this.#frozen) this.#dueWork.push(task);
    else task();
  }

  /** The process is gone, with its memory: no timer fires, no socket receives, nothing that it held leaves. */
  crash(): void {
    for (const timer of this.#armed) timer.cancel();
    this.#armed.clear();
    for (const socket of this.sockets.values()) socket.drop();
    this.sockets.clear();
    this.#dueTimers = [];
    this.#dueWork = [];
    this.#frozen = false;
    this.#endSleep();
  }

  #setTimer(delayMs: number, fire: () => void): Timer {
    const timer = new HostTimer(() => {
      if (this.#frozen) {
        this.#dueTimers.push(timer);
        return;
      }
      if (this.#sleptMs !== sleptMs) {
        // The time in which its clock stood still does not count.
        sleptMs = this.#sleptMs;
        timer.arm(this.#world, Math.max(0, dueAtMs - this.clock.now()));
        return;
      }
      this.#armed.delete(timer);
      this.#nowMinMs = Math.max(this.#nowMinMs, dueAtMs);
      if (!timer.cancelled) fire();
    });
    let sleptMs = this.#sleptMs;
    const dueAtMs = this.clock.now() + delayMs;
    this.#armed.add(timer);
    timer.arm(this.#world, delayMs);
    return {
      cancel: () => {
        timer.cancel();
        this.#armed.delete(timer);
      },
    };
  }
}

/** The wall clock at virtual time 0. */
const EPOCH_UNIX_MS = 1_700_000_000_000;

class HostTimer implements Timer {
  cancelled = false;
  #timer: Timer | undefined;
  readonly #fire: () => void;

  constructor(fire: () => void) {
    this.#fire = fire;
  }

  arm(world: Clock, delayMs: number): void {
    if (!this.cancelled) this.#timer = world.setTimer(delayMs, this.#fire);
  }

  cancel(): void {
    this.cancelled = true;
    this.#timer?.cancel();
  }
}

/** What a socket asks of the network that it is on. */
export interface SocketNetwork {
  ceilingBytes(from: SocketAddress, to: SocketAddress): number;
  send(bytes: Uint8Array, from: SimSocket, to: SocketAddress): void;
  askMachine(from: SocketAddress, at: SocketAddress, onAlive: () => void): void;
  askWhetherOpen(from: SocketAddress, to: SocketAddress, onRefused: () => void): void;
}

/** A bound socket on a simulated host. */
export class SimSocket implements DatagramSocket {
  readonly local: SocketAddress;
  /** Where others see it: `local`, until a NAT on the way changes its mind. */
  outside: SocketAddress;
  readonly host: SimHost;
  onDatagram: (bytes: Uint8Array, from: SocketAddress) => void = () => {};
  onSendError: (to: SocketAddress, code: string, sizeBytes: number) => void = () => {};
  onTaken: () => void = () => {};
  /** Bytes sent by a frozen process, which leave when it is resumed. */
  queuedBytes = 0;
  /** Bytes that arrived and that the process has not been given yet. */
  bufferedBytes = 0;
  #closed = false;
  readonly #network: SocketNetwork;

  constructor(network: SocketNetwork, host: SimHost, port: number) {
    this.#network = network;
    this.host = host;
    this.local = { host: host.name, port };
    this.outside = this.local;
  }

  get closed(): boolean {
    return this.#closed;
  }

  datagramCeilingBytes(to: SocketAddress): number {
    return this.#network.ceilingBytes(this.local, to);
  }

  send(bytes: Uint8Array, to: SocketAddress): void {
    if (this.#closed) return;
    // `slice` of a Buffer is no copy.
    const copy = new Uint8Array(bytes);
    this.queuedBytes += copy.length;
    this.host.run(() => {
      this.queuedBytes -= copy.length;
      if (this.#closed) return;
      this.#network.send(copy, this, to);
      this.onTaken();
    });
  }

  askWhetherOpen(to: SocketAddress): void {
    this.#network.askWhetherOpen(this.local, to, () =>
      this.host.run(() => this.onSendError(to, 'ECONNREFUSED', 0)),
    );
  }

  askMachine(at: SocketAddress, onAlive: () => void): void {
    this.#network.askMachine(this.local, at, () => this.host.run(onAlive));
  }

  /** As `close`, but for a process that is no more. */
  drop(): void {
    this.#closed = true;
    this.onDatagram = () => {};
    this.onSendError = () => {};
    this.onTaken = () => {};
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.drop();
    this.host.sockets.delete(this.outside.port);
  }
}
