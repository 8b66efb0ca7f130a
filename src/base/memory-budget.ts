// How much memory half-arrived messages may take: in all and per peer.

/** A shared limit with one account per peer. */
export class MemoryBudget {
  readonly #limitBytes: number;
  readonly #limitPerPeerBytes: number;
  #usedBytes = 0;

  constructor(limitBytes: number, limitPerPeerBytes: number) {
    this.#limitBytes = limitBytes;
    this.#limitPerPeerBytes = limitPerPeerBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** False, and nothing taken, when either limit would be passed. */
  take(account: { reassemblyBytes: number }, bytes: number): boolean {
    // P-73
    if (this.#usedBytes + bytes > this.#limitBytes) return false;
    if (account.reassemblyBytes + bytes > this.#limitPerPeerBytes) return false;
    this.#usedBytes += bytes;
    account.reassemblyBytes += bytes;
    return true;
  }

  giveBack(account: { reassemblyBytes: number }, bytes: number): void {
    this.#usedBytes -= bytes;
    account.reassemblyBytes -= bytes;
  }
}
