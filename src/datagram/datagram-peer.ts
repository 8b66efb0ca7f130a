// A peer as its callers have it: its address, read and resolved. What is sent to it, and what is known of it, is the
// transport's.

import type { Clock } from '../base/clock.ts';
import type { RetryBudget } from '../base/retry-budget.ts';
import type { Callee } from '../protocol/callee.ts';
import { isUsableKey } from '../session/identity.ts';
import type { Remote } from '../session/protection.ts';
import { remoteOf } from '../session/sealed.ts';
import { formatPeerAddress, type HostAndPort, parseAddress } from '../transport/address.ts';
import { type EncodedBody, joinBody } from '../transport/body.ts';
import { RpcError } from '../transport/error.ts';
import { encodeCall } from '../transport/pending-calls.ts';
import type { Streams } from '../transport/streams.ts';
import type { AnswerStream, CallOptions, Peer, PeerHealth, StreamOptions } from '../transport/transport.ts';

/** The transport, as a peer needs it. */
export interface CallStarter {
  readonly clock: Clock;
  readonly retries: RetryBudget;
  readonly streams: Streams;
  healthOf(to: Callee): PeerHealth;
  hasLearnt(to: Callee, method: string, expectedBytes: number): boolean;
  overdueAfterMs(to: Callee, method: string, expectedBytes: number): number;
  /** @throws RpcError HOST_UNKNOWN. */
  resolveHost(host: string): Promise<string>;
  /** `name`: the peer's, for errors. */
  startCall(
    name: string,
    to: Callee,
    method: string,
    body: EncodedBody,
    options: CallOptions,
    startedAtMs: number,
    nowMs?: number,
  ): Promise<unknown>;
}

/** {@link Peer}; its host names are resolved with the first call. */
export class DatagramPeer implements Peer {
  readonly address: string;
  readonly clock: Clock;
  readonly #transport: CallStarter;
  readonly #hosts: readonly HostAndPort[];
  #callee: Callee;
  #isResolved: boolean;

  /** @throws RpcError BAD_ARGUMENT when it is no address of a peer. */
  constructor(transport: CallStarter, address: string) {
    const { key, hosts } = parseAddress(address);
    this.#transport = transport;
    this.address = formatPeerAddress(hosts[0]);
    if (!isUsableKey(key)) {
      throw new RpcError('BAD_ARGUMENT', `nobody can have the key in the address of ${this.address}`);
    }
    this.clock = transport.clock;
    this.#hosts = hosts;
    this.#callee = new AddressedCallee(address, hosts);
    this.#isResolved = hosts.every(({ host }) => isIpAddress(host));
  }

  get retries(): RetryBudget {
    return this.#transport.retries;
  }

  get health(): PeerHealth {
    return this.#transport.healthOf(this.#callee);
  }

  stream(method: string, body: unknown, options: StreamOptions = {}): AnswerStream {
    return this.#transport.streams.read(this, method, body, options);
  }

  call(method: string, body: unknown, options: CallOptions = {}): Promise<unknown> {
    if (options.upload !== undefined) return this.#transport.streams.write(this, method, body, options);
    const startedAtMs = this.clock.now();
    let encoded: EncodedBody;
    try {
      encoded = encodeCall(this.address, method, body, options);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#isResolved
      ? this.#transport.startCall(this.address, this.#callee, method, encoded, options, startedAtMs)
      : this.#resolveAndCall(method, [joinBody(encoded)], options, startedAtMs);
  }

  async #resolveAndCall(
    method: string,
    body: EncodedBody,
    options: CallOptions,
    startedAtMs: number,
  ): Promise<unknown> {
    this.#callee = new AddressedCallee(this.#callee.id, await this.#resolve());
    this.#isResolved = true;
    options.signal?.throwIfAborted();
    const nowMs = this.clock.now();
    return this.#transport.startCall(this.address, this.#callee, method, body, options, startedAtMs, nowMs);
  }

  /** The addresses of those hosts that have one. @throws RpcError HOST_UNKNOWN when none has. */
  async #resolve(): Promise<Callee['addresses']> {
    const hosts = await Promise.allSettled(
      this.#hosts.map(async ({ host, port }) =>
        isIpAddress(host) ? { host, port } : { host: await this.#transport.resolveHost(host), port },
      ),
    );
    const [first, ...others] = hosts.flatMap((host) => (host.status === 'fulfilled' ? [host.value] : []));
    if (first === undefined) throw (hosts[0] as PromiseRejectedResult).reason;
    return [first, ...others];
  }

  hasLearnt(method: string, expectedBytes = 0): boolean {
    return this.#transport.hasLearnt(this.#callee, method, expectedBytes);
  }

  overdueAfterMs(method: string, expectedBytes = 0): number {
    return this.#transport.overdueAfterMs(this.#callee, method, expectedBytes);
  }
}

/** Whom an address names. Of what its protection needs nothing is kept: only first datagrams ask for it. */
class AddressedCallee implements Callee {
  /** The address itself. */
  readonly id: string;
  readonly addresses: Callee['addresses'];

  constructor(id: string, addresses: Callee['addresses']) {
    this.id = id;
    this.addresses = addresses;
  }

  get remote(): Remote {
    const { key, swissnum } = parseAddress(this.id);
    return remoteOf(key, swissnum);
  }
}

/** Digits and dots, or anything with a colon, is no name. */
function isIpAddress(host: string): boolean {
  return /^[\d.]+$|:/.test(host);
}
