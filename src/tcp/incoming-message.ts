// A request or response that arrives in pieces, in order, and its share of the endpoint's memory.

import type { MemoryBudget } from '../base/memory-budget.ts';

/** One message on its way in. {@link release} must be called when it is complete or unwanted. */
export class IncomingMessage {
  readonly #bytes: Uint8Array;
  readonly #memory: MemoryBudget;
  readonly #account: { reassemblyBytes: number };
  #arrivedBytes = 0;
  #released = false;

  /** `undefined` when it does not fit into the memory that is left. */
  static begin(
    memory: MemoryBudget,
    account: { reassemblyBytes: number },
    totalBytes: number,
  ): IncomingMessage | undefined {
    return memory.take(account, totalBytes) ? new IncomingMessage(memory, account, totalBytes) : undefined;
  }

  private constructor(memory: MemoryBudget, account: { reassemblyBytes: number }, totalBytes: number) {
    this.#memory = memory;
    this.#account = account;
    // Not zeroed: every byte is written before anybody reads one.
    this.#bytes = Buffer.allocUnsafeSlow(totalBytes);
  }

  get totalBytes(): number {
    return this.#bytes.length;
  }

  get arrivedBytes(): number {
    return this.#arrivedBytes;
  }

  get remainingBytes(): number {
    return this.#bytes.length - this.#arrivedBytes;
  }

  /** The whole message once it is complete, `undefined` before; false when there is more than was announced. */
  add(data: Uint8Array): Uint8Array | undefined | false {
    if (data.length > this.remainingBytes) return false;
    this.#bytes.set(data, this.#arrivedBytes);
    this.#arrivedBytes += data.length;
    return this.remainingBytes === 0 ? this.#bytes : undefined;
  }

  /** Gives back what it held; the bytes of a complete message stay readable. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#memory.giveBack(this.#account, this.#bytes.length);
  }
}
