// Whose fault is it that an answer is late? When most of those who were asked are late at once, it is probably ours: our
// line, our event loop, our machine. This only judges; what is asked again, and when, is overdue-watch.ts.

/** So many of the latest answers are looked at: more peers than that are never needed to vouch for us. */
const ANSWERS_KEPT = 64;

/** With fewer others waiting there is nobody to compare with. */
const OTHERS_MIN = 2;

/** What all peers of an endpoint show of ourselves. Peers are told apart by identity. Bounded by who is waited for. */
export class SelfDoubt<Peer> {
  /** Peers with calls outstanding, and those of them that are late with one. */
  readonly #waitedFor = new Set<Peer>();
  readonly #late = new Set<Peer>();
  /** The latest answers that came in time, as a ring. */
  readonly #answerers: (Peer | undefined)[] = new Array(ANSWERS_KEPT).fill(undefined);
  readonly #answeredAtMs = new Float64Array(ANSWERS_KEPT);
  #next = 0;

  /** A call to this peer begins. */
  asked(peer: Peer): void {
    this.#waitedFor.add(peer);
  }

  /** It has answered a call. */
  answered(peer: Peer, inTime: boolean, nowMs: number): void {
    if (this.#late.size > 0) this.#late.delete(peer);
    if (!inTime) return;
    this.#answerers[this.#next] = peer;
    this.#answeredAtMs[this.#next] = nowMs;
    this.#next = (this.#next + 1) % ANSWERS_KEPT;
  }

  /** None of its calls is outstanding any more. */
  settled(peer: Peer): void {
    this.#waitedFor.delete(peer);
    this.#late.delete(peer);
  }

  /**
   * A call to this peer, sent then, takes too long. True when that says more of us than of the peer: while others are
   * waited for, nobody has answered since; or of the others more are late than have answered since.
   */
  isOurs(peer: Peer, sentAtMs: number): boolean {
    this.#late.add(peer);
    if (this.#waitedFor.size - 1 < OTHERS_MIN) return false;
    const witnesses = new Set<Peer>();
    for (const [i, answerer] of this.#answerers.entries()) {
      if (answerer === undefined || answerer === peer || this.#answeredAtMs[i]! < sentAtMs) continue;
      witnesses.add(answerer);
    }
    return witnesses.size === 0 || this.#late.size - 1 > witnesses.size;
  }
}
