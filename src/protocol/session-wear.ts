// What a session begins with, and how long its keys may be used: they wear out by time, by packets, and by what could not be opened.

import type { SessionKeys } from '../session/protection.ts';
import type { ProtocolConfig } from './config.ts';

/** A session that begins. */
export interface NewSession {
  readonly localSession: number;
  /** The id that the other side receives with. */
  readonly remoteSession: number;
  readonly keys: SessionKeys;
  readonly beganAtMs: number;
}

/** The wear of one session. */
export class SessionWear {
  failedOpenings = 0;
  readonly #config: ProtocolConfig;
  readonly #beganAtMs: number;

  constructor(config: ProtocolConfig, beganAtMs: number) {
    this.#config = config;
    this.#beganAtMs = beganAtMs;
  }

  /** `packets`: in the direction that has more of them. */
  needsSuccessor(packets: number, nowMs: number): boolean {
    const { rekeyAfterMs, rekeyAfterPackets } = this.#config;
    // P-107
    return nowMs - this.#beganAtMs >= rekeyAfterMs || packets >= rekeyAfterPackets;
  }

  /** When it is out at the latest. */
  get outAtMs(): number {
    return this.#beganAtMs + this.#config.sessionRefusedAfterMs;
  }

  isOut(nowMs: number): boolean {
    // P-108
    return nowMs >= this.outAtMs || this.failedOpenings >= this.#config.maxFailedOpenings;
  }
}
