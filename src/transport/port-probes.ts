// Questions to the machine behind an address, for peers that say nothing: is the port closed, and does the machine
// live at all? Both are answered by its operating system with ICMP's "port unreachable", which only a connected UDP
// socket is told of. Each question is an empty datagram, from a socket of its own, that is thrown away.

import { createSocket } from 'node:dgram';
import type { HostAndPort } from './address.ts';

/** How long an answer is waited for, and how many questions are open at once. */
const LISTEN_MS = 1000;
const MAX_OPEN = 64;

/** Where traceroute sends: nobody listens there, and firewalls that let anything through, let it through there. */
const CLOSED_PORTS = [33_434, 33_435, 33_436];

/** Linux answers one address with so many messages a second: a question may have come a little too soon. */
const ASK_AGAIN_MS = 200;

/** A machine is not asked again within this time; of so many machines that is remembered. */
const MIN_DISTANCE_MS = 1000;
const MAX_REMEMBERED = 256;

/** Questions under way of one transport; {@link close} frees their sockets. */
export class PortProbes {
  readonly #open = new Map<string, () => void>();
  /** By host: when it may be asked again, on the system's monotonic clock. */
  readonly #notBeforeMs = new Map<string, number>();
  readonly #waiting = new Set<NodeJS.Timeout>();
  #closed = false;

  /** Asks at one port; `onRefused` is called at most once, when its machine says that nobody listens there. */
  ask(to: HostAndPort, onRefused: () => void): void {
    const key = `${to.host} ${to.port}`;
    if (this.#closed || this.#open.has(key) || this.#open.size >= MAX_OPEN) return;
    const socket = createSocket(to.host.includes(':') ? 'udp6' : 'udp4');
    const stop = (): void => {
      clearTimeout(timer);
      if (this.#open.delete(key)) socket.close();
    };
    const timer = setTimeout(stop, LISTEN_MS);
    timer.unref();
    this.#open.set(key, stop);
    socket.on('error', (error: NodeJS.ErrnoException) => {
      const isOpen = this.#open.has(key);
      stop();
      if (isOpen && error.code === 'ECONNREFUSED') onRefused();
    });
    // The types hide it: where connecting fails, the callback gets the error and nothing is emitted.
    const onConnect = (error?: unknown): void => {
      if (error) stop();
      else if (this.#open.has(key)) socket.send(new Uint8Array(0));
    };
    socket.connect(to.port, to.host, onConnect);
  }

  /**
   * Asks whether the machine of a peer lives, at ports where nobody listens: twice, as answers are few. `onAlive` is
   * called at most once. Without an answer the machine is gone, or the way to it, or a firewall keeps silent for it.
   */
  askMachine(peer: HostAndPort, onAlive: () => void): void {
    const nowMs = performance.now();
    if (this.#closed || nowMs < (this.#notBeforeMs.get(peer.host) ?? 0)) return;
    this.#remember(peer.host, nowMs + MIN_DISTANCE_MS);
    const [first, second] = CLOSED_PORTS.filter((port) => port !== peer.port);
    let answered = false;
    const onRefused = (): void => {
      if (!answered) onAlive();
      answered = true;
    };
    this.ask({ host: peer.host, port: first! }, onRefused);
    const again = setTimeout(() => {
      this.#waiting.delete(again);
      if (!answered) this.ask({ host: peer.host, port: second! }, onRefused);
    }, ASK_AGAIN_MS);
    again.unref();
    this.#waiting.add(again);
  }

  close(): void {
    this.#closed = true;
    for (const stop of [...this.#open.values()]) stop();
    for (const timer of this.#waiting) clearTimeout(timer);
    this.#waiting.clear();
  }

  #remember(host: string, notBeforeMs: number): void {
    this.#notBeforeMs.delete(host);
    this.#notBeforeMs.set(host, notBeforeMs);
    if (this.#notBeforeMs.size <= MAX_REMEMBERED) return;
    const [oldest] = this.#notBeforeMs.keys();
    if (oldest !== undefined) this.#notBeforeMs.delete(oldest);
  }
}
