// Small messages that go a second time, in a later packet, while the path loses some of what we send: that one was lost
// shows no sooner than a round trip later, its duplicate is there within milliseconds. They ride in datagrams that leave
// anyway; what costs more datagrams than that is paid from a budget. Whether the path has room, link.ts knows
// (spec/decisions/0042-early-duplicates.md).

import type { Outbox, Outgoing, WholeMessages } from './outbox.ts';
import type { PacketBuilder } from './packet-builder.ts';

/** A larger message has none: two of these find room in the smallest datagram. */
const SMALL_MESSAGE_BYTES = 512;

/** Messages that wait; in a burst of more, the oldest go without. */
const WAITING_MAX = 64;

/** What is lost in a burst is lost together: a duplicate keeps this distance from its message, in milliseconds. */
const DISTANCE_MIN_MS = 1;

/** After so many milliseconds a duplicate gets a datagram of its own: as long as an acknowledgement waits for one. */
const OWN_AFTER_MS = 5;

/** Datagrams that can be saved up. */
const BUDGET_MAX = 10;

/** What duplicates cost in datagrams: nothing, in one that is to be acknowledged anyway; … */
const COST = {
  none: 0,
  /** … an acknowledgement, in one that would have asked for none; … */
  besideAck: 1,
  /** … that and a datagram, when they have one of their own. */
  own: 2,
} as const;

/** Counted over all sessions of an endpoint; they only grow. */
export interface EarlyDuplicateCounters {
  /** Small messages that were sent a second time though nothing said that they were lost. */
  earlyDuplicates: number;
  /** Datagrams that were sent for them alone. */
  duplicateDatagrams: number;
}

interface Waiting {
  readonly outgoing: Outgoing;
  readonly sentAtMs: number;
}

/** The duplicates that one session still has to send. */
export class EarlyDuplicates implements WholeMessages {
  readonly #share: number | false;
  readonly #outbox: Pick<Outbox, 'repeat'>;
  readonly #counters: EarlyDuplicateCounters;
  /** In the order in which the messages left. */
  #waiting: Waiting[] = [];
  /** What they may cost now, in datagrams. */
  #budget = 0;

  /** `share`: what they may cost, as a part of the datagrams that leave; false: there are none. */
  constructor(share: number | false, outbox: Pick<Outbox, 'repeat'>, counters: EarlyDuplicateCounters) {
    this.#share = share;
    this.#outbox = outbox;
    this.#counters = counters;
  }

  /** A message has left in one piece, on a path that loses. */
  add(outgoing: Outgoing, nowMs: number): void {
    if (this.#share === false || outgoing.message.sizeBytes > SMALL_MESSAGE_BYTES) return;
    if (this.#waiting.length === WAITING_MAX) this.#waiting.shift();
    this.#waiting.push({ outgoing, sentAtMs: nowMs });
  }

  /** A datagram has left. */
  earn(): void {
    // P-119
    if (this.#share !== false) this.#budget = Math.min(BUDGET_MAX, this.#budget + this.#share);
  }

  /**
   * When one of them wants a datagram of its own that the budget has; Infinity: none does. `onCredit`: whatever the
   * budget has; what is missing is saved later.
   */
  ownAtMs(onCredit: boolean): number {
    if (!onCredit && this.#budget < COST.own) return Number.POSITIVE_INFINITY;
    while (this.#waiting.length > 0 && !isWanted(this.#waiting[0]!.outgoing)) this.#waiting.shift();
    return this.#waiting.length === 0 ? Number.POSITIVE_INFINITY : this.#waiting[0]!.sentAtMs + OWN_AFTER_MS;
  }

  /**
   * Puts all whose time has come behind what is in a packet, if that can be paid. `alone`: nothing is in it;
   * `onCredit`: as in {@link ownAtMs}.
   */
  fill(packet: PacketBuilder, alone: boolean, onCredit: boolean, nowMs: number): void {
    const cost = packet.ackEliciting ? COST.none : alone ? COST.own : COST.besideAck;
    const isPaid = cost === COST.none || cost <= this.#budget || onCredit;
    if (this.#waiting.length === 0 || !isPaid) return;
    const before = this.#counters.earlyDuplicates;
    this.#waiting = this.#waiting.filter(({ outgoing, sentAtMs }) => {
      if (!isWanted(outgoing)) return false;
      if (nowMs - sentAtMs < DISTANCE_MIN_MS || !this.#outbox.repeat(packet, outgoing, nowMs)) return true;
      this.#counters.earlyDuplicates++;
      return false;
    });
    if (this.#counters.earlyDuplicates === before) return;
    this.#budget = Math.max(-BUDGET_MAX, this.#budget - cost);
    if (cost === COST.own) this.#counters.duplicateDatagrams++;
  }
}

/** Not when it is known to have arrived, is sent again anyway, or nobody wants it any more (P-42). */
function isWanted({ dead, message, queueEntry }: Outgoing): boolean {
  return !dead && queueEntry === undefined && !message.delivered;
}
