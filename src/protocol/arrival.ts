// A request or response that is arriving, or has arrived: its pieces, its grants, and its share of the endpoint's
// memory.

import type { MemoryAccount, MemoryBudget } from '../base/memory-budget.ts';
import { GrantFrame } from './control-frames.ts';
import type { GrantBook, Grantee } from './grants.ts';
import { IncomingMessage, type PieceOutcome } from './incoming-message.ts';
import type { Outbox } from './outbox.ts';

/** What an arriving message draws on. */
export interface ArrivalContext {
  readonly grants: GrantBook;
  readonly memory: MemoryBudget;
  readonly config: { readonly initialGrantBytes: number };
}

/** One message on its way in. {@link release} must be called when it is not needed any more. */
export class Arrival implements Grantee {
  readonly message: IncomingMessage;
  grantState: Grantee['grantState'];
  readonly #context: ArrivalContext;
  readonly #account: MemoryAccount;
  readonly #outbox: Outbox;
  readonly #callId: number;
  /** Made when first needed: most messages arrive whole. */
  #grantFrame: GrantFrame | undefined;
  #released = false;

  /** `undefined` when it does not fit into the memory that is left. */
  static begin(
    context: ArrivalContext,
    account: MemoryAccount,
    outbox: Outbox,
    callId: number,
    total: number,
    nowMs: number,
  ): Arrival | undefined {
    // P-73
    if (!context.memory.takeFairly(account, total, nowMs)) return undefined;
    return new Arrival(context, account, outbox, callId, total);
  }

  private constructor(
    context: ArrivalContext,
    account: MemoryAccount,
    outbox: Outbox,
    callId: number,
    total: number,
  ) {
    this.#context = context;
    this.#account = account;
    this.message = new IncomingMessage(total, context.config.initialGrantBytes);
    this.#outbox = outbox;
    this.#callId = callId;
  }

  add(offset: number, total: number, data: Uint8Array): PieceOutcome {
    const outcome = this.message.add(offset, total, data);
    if (outcome === 'complete') this.#context.grants.remove(this);
    else if (outcome === 'progress' && total > this.#context.config.initialGrantBytes) {
      this.#context.grants.update(this);
    }
    return outcome;
  }

  sendGrant(): void {
    this.#grantFrame ??= new GrantFrame(this.#outbox, this.#callId, this.message, () => !this.#released);
    this.#grantFrame.send();
  }

  /** Gives back what it held; the bytes of a complete message stay readable. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#context.grants.remove(this);
    this.#context.memory.giveBack(this.#account, this.message.total);
  }
}
