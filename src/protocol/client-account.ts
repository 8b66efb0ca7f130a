// What all that calls under one key may hold together, however many sessions and epochs it makes: nobody gets more of a
// server by calling several times.

import type { MemoryAccount } from '../base/memory-budget.ts';
import { AnswerShare } from './kept-answers.ts';

/** One of those who call under a key. */
export interface AccountMember {
  /** It has been heard inside a session. */
  readonly confirmed: boolean;
  readonly calls: Required<Pick<MemoryAccount, 'giveUpSome'>>;
}

/** One key's share of a server. */
export class ClientAccount<Member extends AccountMember = AccountMember> implements MemoryAccount {
  /** The key, as text. */
  readonly key: string;
  /** {@link MemoryBudget}'s account. */
  reassemblyBytes = 0;
  /** Requests arriving, at work, or answered and not confirmed. */
  calls = 0;
  /** Of the answers kept, those to this key. */
  readonly answers: AnswerShare = new AnswerShare();
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

  giveUpSome(nowMs: number): boolean {
    for (const peer of this.peers) if (peer.calls.giveUpSome(nowMs)) return true;
    return false;
  }
}
