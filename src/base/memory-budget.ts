// How much memory messages may take that are half here, or whose handlers are at work: in all and per peer.

/** Whoever takes memory: a peer. */
export interface MemoryAccount {
  /** Kept by the budget. */
  reassemblyBytes: number;
  /** It has not even shown that it is where it says: it makes room for everybody who has. */
  readonly isUnproven?: boolean;
  /** Gives some of it back, because somebody with less needs it; false when there is nothing to give. */
  giveUpSome?(nowMs: number): boolean;
}

/** A shared limit with one account per peer. */
export class MemoryBudget {
  readonly #limitBytes: number;
  readonly #limitPerPeerBytes: number;
  readonly #holders = new Set<MemoryAccount>();
  #usedBytes = 0;

  constructor(limitBytes: number, limitPerPeerBytes: number) {
    this.#limitBytes = limitBytes;
    this.#limitPerPeerBytes = limitPerPeerBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** False, and nothing taken, when either limit would be passed. */
  take(account: MemoryAccount, bytes: number): boolean {
    if (this.#usedBytes + bytes > this.#limitBytes) return false;
    if (account.reassemblyBytes + bytes > this.#limitPerPeerBytes) return false;
    this.#usedBytes += bytes;
    account.reassemblyBytes += bytes;
    this.#holders.add(account);
    return true;
  }

  /**
   * As {@link take}; but when others hold more than this account would with `bytes` more, those that hold most give
   * some up first. So nobody, by claiming everything, keeps it from those who want a little.
   */
  takeFairly(account: MemoryAccount, bytes: number, nowMs: number): boolean {
    if (account.reassemblyBytes + bytes > this.#limitPerPeerBytes) return false;
    if (this.take(account, bytes)) return true;
    const spared = new Set([account]);
    while (!this.take(account, bytes)) {
      const largest = this.#largestBut(spared);
      if (largest === undefined || this.#claim(largest) <= this.#claim(account) + bytes) return false;
      if (largest.giveUpSome?.(nowMs) !== true) spared.add(largest);
    }
    return true;
  }

  giveBack(account: MemoryAccount, bytes: number): void {
    this.#usedBytes -= bytes;
    account.reassemblyBytes -= bytes;
    if (account.reassemblyBytes === 0) this.#holders.delete(account);
  }

  #largestBut(spared: ReadonlySet<MemoryAccount>): MemoryAccount | undefined {
    let largest: MemoryAccount | undefined;
    for (const holder of this.#holders) {
      if (spared.has(holder)) continue;
      if (largest === undefined || this.#claim(holder) > this.#claim(largest)) largest = holder;
    }
    return largest;
  }

  /** What counts against an account: the unproven stand behind all others. */
  #claim(account: MemoryAccount): number {
    return account.reassemblyBytes + (account.isUnproven === true ? this.#limitBytes : 0);
  }
}
