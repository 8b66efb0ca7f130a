// A request or response that is arriving: its pieces, its grants, and its share of the endpoint's memory.

import type { MemoryBudget } from '../base/memory-budget.ts';
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

/** One message on its way in. {@link release} must be called when it is complete or unwanted. */
export class Arrival implements Grantee {
  readonly message: IncomingMessage;
  grantState: Grantee['grantState'];
  readonly #context: ArrivalContext;
  readonly #account: { reassemblyBytes: number };
  readonly #grantFrame: GrantFrame;
  #held: boolean;
  #released = false;

  /** `undefined` when it does not fit into the memory that is left. */
  static begin(
    context: ArrivalContext,
    account: { reassemblyBytes: number },
    outbox: Outbox,
    callId: number,
    total: number,
    pieceBytes: number,
  ): Arrival | undefined {
    // A message in one piece is a view of its datagram and is passed on at once.
    const held = pieceBytes < total;
    if (held && !context.memory.take(account, total)) return undefined;
    return new Arrival(context, account, outbox, callId, total, held);
  }

  private constructor(
    context: ArrivalContext,
    account: { reassemblyBytes: number },
    outbox: Outbox,
    callId: number,
    total: number,
    held: boolean,
  ) {
    this.#context = context;
    this.#account = account;
    this.#held = held;
    this.message = new IncomingMessage(total, context.config.initialGrantBytes);
    this.#grantFrame = new GrantFrame(outbox, callId, this.message, () => !this.#released);
  }

  add(offset: number, total: number, data: Uint8Array): PieceOutcome {
    const outcome = this.message.add(offset, total, data);
    if (outcome === 'complete') this.release();
    else if (outcome === 'progress' && total > this.#context.config.initialGrantBytes) {
      this.#context.grants.update(this);
    }
    return outcome;
  }

  sendGrant(): void {
    this.#grantFrame.send();
  }

  /** Gives back what it held; the bytes of a complete message stay readable. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#context.grants.remove(this);
    if (this.#held) this.#context.memory.giveBack(this.#account, this.message.total);
  }
}
