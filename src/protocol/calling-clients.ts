// The clients that a server remembers, and whom it forgets when there are too many. What it remembers of each is
// server-peer.ts; what those of one key may hold together is client-account.ts.

import { ClientAccount } from './client-account.ts';
import type { ServerPeer } from './server-peer.ts';

/** Clients looked at to find one that may be forgotten. */
const MAX_LOOKED_AT = 64;

/** At most so many clients. */
export interface ClientLimits {
  readonly maxServerPeers: number;
  readonly maxServerPeersPerKey: number;
}

/** Clients by their epochs. */
export class CallingClients {
  readonly #limits: ClientLimits;
  /** The one that began a session longest ago first. */
  readonly #clients = new Map<number, ServerPeer>();
  /** Those of them that had not been heard inside a session when last looked at, oldest first. */
  readonly #newcomers = new Map<number, ServerPeer>();
  readonly #accounts = new Map<string, ClientAccount<ServerPeer>>();

  constructor(limits: ClientLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#clients.size;
  }

  get(epoch: number): ServerPeer | undefined {
    return this.#clients.get(epoch);
  }

  /**
   * A client that begins a session under a key, made when needed; `undefined` when everybody remembered is busy, or it
   * claims to be one that has another key.
   */
  begin(epoch: number, key: string, make: (account: ClientAccount) => ServerPeer): ServerPeer | undefined {
    const known = this.#clients.get(epoch);
    if (known !== undefined) {
      // P-109
      if (known.account.key !== key) return undefined;
      moveBehind(this.#clients, epoch, known);
      const members = this.#accounts.get(key)!.peers;
      members.delete(known);
      members.add(known);
      return known;
    }
    const account = this.#accounts.get(key) ?? new ClientAccount<ServerPeer>(key);
    // P-55
    const isFull = this.#clients.size >= this.#limits.maxServerPeers;
    if (account.peers.size >= this.#limits.maxServerPeersPerKey) {
      if (!this.#forgetOneOf(account)) return undefined;
    } else if (isFull && !this.#forgetAny()) return undefined;
    const client = make(account);
    account.peers.add(client);
    this.#accounts.set(key, account);
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
    this.#accounts.clear();
  }

  /**
   * One without a handler at work: if there is one, one that has never been heard inside a session, as anybody can
   * make any number of those; else the one that began a session longest ago.
   */
  #forgetAny(): boolean {
    return this.#forgetFirst(this.#newcomers) || this.#forgetFirst(this.#clients);
  }

  #forgetFirst(candidates: Map<number, ServerPeer>): boolean {
    let looked = 0;
    for (const [epoch, client] of candidates) {
      if (++looked > MAX_LOOKED_AT) break;
      candidates.delete(epoch);
      if (candidates === this.#newcomers && client.confirmed) continue;
      if (client.calls.running === 0) {
        this.#forget(client);
        return true;
      }
      // Behind the others, so that the next look begins with somebody else.
      candidates.set(epoch, client);
    }
    return false;
  }

  #forgetOneOf(account: ClientAccount<ServerPeer>): boolean {
    for (const client of account.peers) {
      if (client.calls.running > 0) continue;
      this.#forget(client);
      return true;
    }
    return false;
  }

  #forget(client: ServerPeer): void {
    client.dispose();
    this.#clients.delete(client.epoch);
    this.#newcomers.delete(client.epoch);
    const { account } = client;
    account.peers.delete(client);
    if (account.peers.size === 0) this.#accounts.delete(account.key);
  }
}

function moveBehind(clients: Map<number, ServerPeer>, epoch: number, client: ServerPeer): void {
  clients.delete(epoch);
  clients.set(epoch, client);
}
