// The clients that a server remembers, and whom it forgets when there are too many. What it remembers of each is
// server-peer.ts.

import type { ServerPeer } from './server-peer.ts';

/** Clients looked at to find one that may be forgotten. */
const MAX_LOOKED_AT = 64;

/** At most so many clients, by their epochs. */
export class CallingClients {
  readonly #limit: number;
  /** The one that began a session longest ago first. */
  readonly #clients = new Map<number, ServerPeer>();
  /** Those of them that had not been heard inside a session when last looked at, oldest first. */
  readonly #newcomers = new Map<number, ServerPeer>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#clients.size;
  }

  get(epoch: number): ServerPeer | undefined {
    return this.#clients.get(epoch);
  }

  /** A client that begins a session, made when needed; `undefined` when everybody remembered is busy. */
  begin(epoch: number, make: () => ServerPeer): ServerPeer | undefined {
    const known = this.#clients.get(epoch);
    if (known !== undefined) {
      this.#clients.delete(epoch);
      this.#clients.set(epoch, known);
      return known;
    }
    // P-55
    if (this.#clients.size >= this.#limit && !this.#forgetOne()) return undefined;
    const client = make();
    this.#clients.set(epoch, client);
    this.#newcomers.set(epoch, client);
    return client;
  }

  all(): Iterable<ServerPeer> {
    return this.#clients.values();
  }

  clear(): void {
    this.#clients.clear();
    this.#newcomers.clear();
  }

  /**
   * One without a handler at work: if there is one, one that has never been heard inside a session, as anybody can
   * make any number of those; else the one that began a session longest ago.
   */
  #forgetOne(): boolean {
    return this.#forgetOneOf(this.#newcomers) || this.#forgetOneOf(this.#clients);
  }

  #forgetOneOf(candidates: Map<number, ServerPeer>): boolean {
    let looked = 0;
    for (const [epoch, client] of candidates) {
      if (++looked > MAX_LOOKED_AT) break;
      candidates.delete(epoch);
      if (candidates === this.#newcomers && client.confirmed) continue;
      if (client.calls.running === 0) {
        client.dispose();
        this.#clients.delete(epoch);
        this.#newcomers.delete(epoch);
        return true;
      }
      // Behind the others, so that the next look begins with somebody else.
      candidates.set(epoch, client);
    }
    return false;
  }
}
