// Streams on virtual time: what TCP does, as far as the transport can see it. Bytes arrive in order after a delay, a
// full buffer makes the writer wait, a lost segment holds up all that follows, and hosts can freeze or vanish. What it
// leaves out: congestion, and everything that never reaches the process.

import { concatBytes } from '../../src/base/bytes.ts';
import type { Clock } from '../../src/base/clock.ts';
import type { ByteStream, StreamNetwork } from '../../src/tcp/byte-stream.ts';
import type { HostAndPort } from '../../src/transport/address.ts';

/** Linux repeats a lost segment after 200 ms at the earliest, on a path as short as this. */
const RETRANSMIT_MS = 200;

/** Hosts with ports, and the connections between them. */
export class FakeStreams {
  readonly clock: Clock;
  readonly latencyMs: number;
  /** What the system takes for a reader that does not read. */
  readonly bufferBytes: number;
  /** Everything that was written, by whoever. */
  writtenBytes = 0;
  readonly #hosts = new Map<string, Host>();
  #nextPort = 40_000;
  #loseNext = false;

  constructor(clock: Clock, options: { latencyMs?: number; bufferBytes?: number } = {}) {
    this.clock = clock;
    this.latencyMs = options.latencyMs ?? 5;
    this.bufferBytes = options.bufferBytes ?? 1024 * 1024;
  }

  /** Streams that are open, each end counted, and ports that are listened to: 0 once everything was closed. */
  get openSockets(): number {
    let count = 0;
    for (const host of this.#hosts.values()) count += host.streams.size + host.ports.size;
    return count;
  }

  listen(hostName: string, port: number = this.#nextPort++): StreamNetwork {
    return new FakePort(this, this.host(hostName), port);
  }

  /** The clock for a process on this host: its timers wait while the host is frozen. */
  clockOf(hostName: string): Clock {
    const host = this.host(hostName);
    return {
      now: () => this.clock.now(),
      wokeAtMs: () => host.wokeAtMs,
      setTimer: (delayMs, fire) => {
        let cancelled = false;
        const run = (): void => {
          if (host.frozen) host.due.push(run);
          else if (!cancelled) fire();
        };
        const timer = this.clock.setTimer(delayMs, run);
        return {
          cancel: () => {
            cancelled = true;
            timer.cancel();
          },
        };
      },
    };
  }

  /** The process does nothing more, as after SIGSTOP; its system goes on taking connections and bytes. */
  freeze(host: string): void {
    this.host(host).frozen = true;
  }

  thaw(host: string): void {
    const thawed = this.host(host);
    thawed.frozen = false;
    for (const task of thawed.due.splice(0)) this.clock.setTimer(0, task);
  }

  /** The host has slept, and its clock with it: for that no time has passed. */
  wake(host: string): void {
    this.host(host).wokeAtMs = this.clock.now();
  }

  /** What comes to the host is not read any more; what it sends leaves. */
  deafen(host: string): void {
    this.host(host).deaf = true;
  }

  undeafen(host: string): void {
    this.host(host).deaf = false;
    for (const stream of this.#allStreams()) stream.deliver();
  }

  /** Nothing reaches the host, or leaves it, any more. */
  vanish(host: string): void {
    this.host(host).vanished = true;
  }

  /** What was sent meanwhile arrives, for it has been repeated. */
  appear(host: string): void {
    this.host(host).vanished = false;
    for (const stream of this.#allStreams()) stream.deliver();
  }

  /** The next segment is lost: it arrives when it has been repeated, and what follows waits for it. */
  loseNext(): void {
    this.#loseNext = true;
  }

  /** Breaks every connection, with a code for both ends. */
  breakAll(code: string): void {
    for (const stream of this.#allStreams()) stream.end(code);
  }

  /** Takes the host's process away, and with it its connections; nobody listens there any more. */
  crash(hostName: string): void {
    const host = this.host(hostName);
    host.ports.clear();
    for (const stream of [...host.streams]) {
      stream.drop();
      const { other } = stream;
      if (other !== undefined) this.after(() => other.end('ECONNRESET'));
    }
  }

  // ---- for ports and streams

  host(name: string): Host {
    let host = this.#hosts.get(name);
    if (host === undefined) {
      host = {
        name,
        ports: new Map(),
        streams: new Set(),
        frozen: false,
        wokeAtMs: Number.NEGATIVE_INFINITY,
        deaf: false,
        vanished: false,
        due: [],
      };
      this.#hosts.set(name, host);
    }
    return host;
  }

  /** Delay of the segment that is sent now. */
  takeDelayMs(): number {
    const delayMs = this.latencyMs + (this.#loseNext ? RETRANSMIT_MS : 0);
    this.#loseNext = false;
    return delayMs;
  }

  after(task: () => void): void {
    this.clock.setTimer(this.latencyMs, task);
  }

  #allStreams(): FakeStream[] {
    return [...this.#hosts.values()].flatMap(({ streams }) => [...streams]);
  }
}

interface Host {
  readonly name: string;
  readonly ports: Map<number, FakePort>;
  readonly streams: Set<FakeStream>;
  frozen: boolean;
  wokeAtMs: number;
  deaf: boolean;
  vanished: boolean;
  /** What the process has not done because it is frozen. */
  readonly due: (() => void)[];
}

class FakePort implements StreamNetwork {
  readonly local: HostAndPort;
  onStream: (stream: ByteStream) => void = () => {};
  readonly #net: FakeStreams;
  readonly #host: Host;
  readonly #own = new Set<FakeStream>();

  constructor(net: FakeStreams, host: Host, port: number) {
    this.#net = net;
    this.#host = host;
    this.local = { host: host.name, port };
    host.ports.set(port, this);
  }

  connect(to: HostAndPort): ByteStream {
    const near = this.#add(to);
    const server = this.#net.host(to.host);
    // The SYN gets there, and its answer back, or neither is ever heard of.
    this.#net.after(() => {
      if (near.over || server.vanished || this.#host.vanished) return;
      const port = server.ports.get(to.port);
      if (port === undefined) {
        this.#net.after(() => near.end('ECONNREFUSED'));
        return;
      }
      const far = port.#add(this.local);
      near.other = far;
      far.other = near;
      far.run(() => port.onStream(far));
      this.#net.after(() => near.run(() => near.onOpen()));
    });
    return near;
  }

  askMachine(at: HostAndPort, onAlive: () => void): void {
    const machine = this.#net.host(at.host);
    const passes = () => !machine.vanished && !this.#host.vanished;
    this.#net.after(() => passes() && this.#net.after(() => passes() && onAlive()));
  }

  #add(remote: HostAndPort): FakeStream {
    const stream = new FakeStream(this.#net, this.#host, remote, () => this.#own.delete(stream));
    this.#own.add(stream);
    this.#host.streams.add(stream);
    return stream;
  }

  async close(): Promise<void> {
    this.#host.ports.delete(this.local.port);
    for (const stream of [...this.#own]) stream.destroy();
  }
}

class FakeStream implements ByteStream {
  readonly remote: HostAndPort;
  onOpen: () => void = () => {};
  onBytes: (bytes: Uint8Array) => void = () => {};
  onWritten: () => void = () => {};
  onClosed: (code: string | undefined) => void = () => {};
  other: FakeStream | undefined;
  over = false;
  readonly #net: FakeStreams;
  readonly #host: Host;
  readonly #onGone: () => void;
  #paused = false;
  /** Sent by the other side, in order; each is read when its time has come. */
  readonly #arriving: { readonly bytes: Uint8Array; readonly atMs: number }[] = [];
  #arrivingBytes = 0;
  #lastAtMs = 0;
  /** Of the other end, which waits for room here. */
  #writer: (() => void) | undefined;
  #waiting = false;

  constructor(net: FakeStreams, host: Host, remote: HostAndPort, onGone: () => void) {
    this.#net = net;
    this.#host = host;
    this.remote = remote;
    this.#onGone = onGone;
  }

  write(parts: readonly Uint8Array[]): boolean {
    if (this.over || this.#waiting) throw new Error('written to a stream that is over, or full');
    const bytes = concatBytes(parts);
    this.#net.writtenBytes += bytes.length;
    const { other } = this;
    if (other === undefined) return true;
    this.#waiting = !other.receive(bytes, () => {
      this.#waiting = false;
      this.run(() => this.onWritten());
    });
    return !this.#waiting;
  }

  /** From the other end. False when there is no room for more: then `taken` is called when there is. */
  receive(bytes: Uint8Array, taken: () => void): boolean {
    const { clock } = this.#net;
    this.#lastAtMs = Math.max(this.#lastAtMs, clock.now() + this.#net.takeDelayMs());
    this.#arriving.push({ bytes, atMs: this.#lastAtMs });
    this.#arrivingBytes += bytes.length;
    clock.setTimer(this.#lastAtMs - clock.now(), () => this.deliver());
    if (this.#arrivingBytes <= this.#net.bufferBytes) return true;
    this.#writer = taken;
    return false;
  }

  /** What has arrived and can be read is read. */
  deliver(): void {
    while (!this.#isBlocked) {
      const next = this.#arriving[0];
      if (next === undefined || next.atMs > this.#net.clock.now()) break;
      this.#arriving.shift();
      this.#arrivingBytes -= next.bytes.length;
      this.onBytes(next.bytes);
    }
    if (this.#host.frozen) this.run(() => this.deliver());
    if (this.#arrivingBytes > this.#net.bufferBytes || this.#writer === undefined) return;
    this.#net.clock.setTimer(0, this.#writer);
    this.#writer = undefined;
  }

  get #isBlocked(): boolean {
    const { frozen, deaf, vanished } = this.#host;
    return this.over || this.#paused || frozen || deaf || vanished || (this.other?.vanished ?? false);
  }

  get vanished(): boolean {
    return this.#host.vanished;
  }

  /** In a turn of the process: now, or when it is thawed. */
  run(task: () => void): void {
    if (this.#host.frozen) this.#host.due.push(() => this.run(task));
    else if (!this.over) task();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#net.clock.setTimer(0, () => this.deliver());
  }

  destroy(): void {
    if (this.over) return;
    this.drop();
    const { other } = this;
    if (other === undefined) return;
    // After what was written before.
    const delayMs = Math.max(this.#net.latencyMs, other.#lastAtMs - this.#net.clock.now());
    this.#net.clock.setTimer(delayMs, () => {
      if (!this.#host.vanished && !other.vanished) other.end(undefined);
    });
  }

  drop(): void {
    this.over = true;
    this.#host.streams.delete(this);
    this.#onGone();
  }

  end(code: string | undefined): void {
    this.run(() => {
      this.drop();
      this.onClosed(code);
    });
  }
}
