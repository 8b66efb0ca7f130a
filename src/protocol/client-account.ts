// What all that calls under one key may hold together, however many sessions and epochs it makes: nobody gets more of a
// server by calling several times.

import type { MemoryAccount } from '../base/memory-budget.ts';
import { type AnswerOwner, AnswerShare } from './kept-answers.ts';

/**
 * Milliseconds without a sign of life after which a client counts as gone: one that waits asks several times a second
 * (P-90), and has long given up on us if it does not hear us.
 */
export const ABANDONED_AFTER_MS = 60_000;

/** One of those who call under a key. */
export interface AccountMember {
  /** It has been heard inside a session. */
  readonly confirmed: boolean;
  /** When anything was heard of it last; while we stood still (P-68), nothing could be. */
  readonly lastHeardMs: number;
  readonly path: { readonly stalledUntilMs: number };
  readonly calls: Required<Pick<MemoryAccount, 'giveUpSome'>>;
}

/** One key's share of a server. */
export class ClientAccount<Member extends AccountMember = AccountMember>
  implements MemoryAccount, AnswerOwner
{
  /** The key, as text. */
  readonly key: string;
  /** {@link MemoryBudget}'s account. */
  reassemblyBytes = 0;
  /** Requests arriving, at work, or answered and not confirmed. */
  calls = 0;
  /** Of the answers kept, those to this key. */
  readonly answers: AnswerShare = new AnswerShare(this);
  /** The one that began a session longest ago first. */
  readonly peers: Set<Member> = new Set<Member>();

  constructor(key: string) {
    this.key = key;
  }

  /** Nobody under this key has shown that it is where it says. */
  get isUnproven(): boolean {
    for (const peer of this.peers) if (peer.confirmed) return false;
    return true;
  }

  isPresent(nowMs: number): boolean {
    for (const { confirmed, lastHeardMs, path } of this.peers) {
      if (confirmed && nowMs - Math.max(lastHeardMs, path.stalledUntilMs) < ABANDONED_AFTER_MS) return true;
    }
    return false;
  }

  giveUpSome(nowMs: number): boolean {
    for (const peer of this.peers) if (peer.calls.giveUpSome(nowMs)) return true;
    return false;
  }
}
