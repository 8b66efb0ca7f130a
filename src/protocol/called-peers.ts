// The peers that a client has called. Of those that were not called for a while only what is worth remembering is
// kept, which is a small part: session, congestion window and queues are made anew with the next call.

import { ResponseTimes } from '../base/response-times.ts';
import { RttEstimator } from '../base/rtt.ts';
import { type Callee, mayBeAt } from './callee.ts';
import type { ClientPeer } from './client-peer.ts';
import type { PeerHealth } from './health.ts';
import type { PathAddress } from './path.ts';
import type { PeerMemory } from './peer-memory.ts';

/** Peers looked at to find one that may sleep. */
const MAX_LOOKED_AT = 64;

/** What the table needs. */
export interface CalledPeersOptions {
  /** So many idle peers keep their sessions. */
  readonly maxAwake: number;
  /** So many more are remembered. */
  readonly maxAsleep: number;
  readonly initialRttMs: number;
  readonly cohort: ResponseTimes;
  readonly make: (callee: Callee, memory: PeerMemory | undefined) => ClientPeer;
}

/** Peers by their ids. */
export class CalledPeers {
  readonly #options: CalledPeersOptions;
  /** When there are many, the one that was called longest ago first. */
  readonly #awake = new Map<string, ClientPeer>();
  /** The one that has slept longest first. */
  readonly #asleep = new Map<string, PeerMemory>();

  constructor(options: CalledPeersOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#awake.size + this.#asleep.size;
  }

  /** Those that have more than a memory. */
  awake(): Iterable<ClientPeer> {
    return this.#awake.values();
  }

  /** Those that are awake and may be at this address; it takes a look at all of them. */
  at(address: PathAddress): ClientPeer[] {
    return Array.from(this.#awake.values()).filter(({ callee }) => mayBeAt(callee, address));
  }

  /** A peer, to call it. */
  wake(callee: Callee): ClientPeer {
    const key = callee.id;
    const known = this.#awake.get(key);
    const isFull = this.#awake.size >= this.#options.maxAwake;
    if (known !== undefined) {
      if (isFull) this.#moveBehind(key, known);
      return known;
    }
    if (isFull) this.#letOneSleep();
    const peer = this.#options.make(callee, this.#asleep.get(key));
    this.#asleep.delete(key);
    this.#awake.set(key, peer);
    return peer;
  }

  health({ id }: Callee): PeerHealth {
    return this.#awake.get(id)?.state ?? this.#asleep.get(id)?.health ?? 'unknown';
  }

  /** What is known of how long this peer takes; asking makes no peer known. */
  times({ id }: Callee): Pick<PeerMemory, 'responseTimes' | 'rtt'> {
    const peer = this.#awake.get(id);
    if (peer !== undefined) return { responseTimes: peer.responseTimes, rtt: peer.path.rtt };
    const { cohort, initialRttMs } = this.#options;
    return (
      this.#asleep.get(id) ?? {
        responseTimes: new ResponseTimes(cohort),
        rtt: new RttEstimator(initialRttMs),
      }
    );
  }

  clear(): void {
    this.#awake.clear();
    this.#asleep.clear();
  }

  #letOneSleep(): void {
    let looked = 0;
    for (const [key, peer] of this.#awake) {
      if (++looked > MAX_LOOKED_AT) return;
      if (!peer.isIdle) {
        this.#moveBehind(key, peer);
        continue;
      }
      this.#awake.delete(key);
      this.#remember(key, peer.memory);
      peer.dispose();
      return;
    }
  }

  #remember(key: string, memory: PeerMemory): void {
    memory.responseTimes.forgetLimits();
    this.#asleep.set(key, memory);
    if (this.#asleep.size <= this.#options.maxAsleep) return;
    const [oldest] = this.#asleep.keys();
    if (oldest !== undefined) this.#asleep.delete(oldest);
  }

  #moveBehind(key: string, peer: ClientPeer): void {
    this.#awake.delete(key);
    this.#awake.set(key, peer);
  }
}
