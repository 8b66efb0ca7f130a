// Stays awake for a moment where answers follow closely. Who sleeps has to be woken: the other processor must be told, in a
// virtual machine by way of its host, and finds its caches cold. Over loopback that takes longer than all the rest of a small
// call (spec/decisions/0052-busy-polling.md). It keeps account of what the waiting costs and is worth, and rests where it is not.

/** What it spares, about, when something comes in time: that much waiting is paid for by it. */
const WORTH_MS = 0.3;

/** Waiting that nothing has paid for, after which it rests. */
const DEBT_MAX_MS = 1;

/** It rests for so many datagrams at first, then for twice as many each time … */
const REST_MIN_DATAGRAMS = 8;
const REST_MAX_DATAGRAMS = 128;
/** … until so many came in time between two rests. */
const HITS_TO_BEGIN_ANEW = 64;

/** The first wait may take so many times the limit: the other end sleeps as well, and has to be woken. */
const FIRST_WAIT_LIMITS = 2;

/** A turn takes so long when it has work to do, or when another process has got the processor: it says nothing of waiting. */
const LONG_TURN_MS = 2;

/** What it runs on. */
export interface EventLoop {
  /** Monotonic, in milliseconds. */
  readonly now: () => number;
  /** Runs `task` in the next turn of the event loop, and lets nothing sleep before. */
  readonly nextTurn: (task: () => void) => void;
}

/** Keeps an event loop from sleeping for up to `limitMs` after each datagram; 0: never. */
export class BusyPoll {
  readonly #limitMs: number;
  readonly #loop: EventLoop;
  readonly #look = (): void => this.#lookAround();
  #isAwake = false;
  /** Something has come in time since it was last asleep. */
  #isHelping = false;
  /** Since the last look something was sent or has come … */
  #acted = false;
  /** … and something has come that may be an answer: what is sent to us unasked is no reason to wait for more. */
  #answered = false;
  /** Something was sent that has not been answered in time. */
  #asked = false;
  /** Undefined until it has looked around for the first time: what comes in the same turn was not waited for. */
  #waitsSinceMs: number | undefined;
  #lookedAtMs = 0;
  #debtMs = 0;
  #hits = 0;
  /** Datagrams to let pass. */
  #rest = 0;
  #nextRest = REST_MIN_DATAGRAMS;
  #closed = false;

  constructor(limitMs: number, loop: EventLoop) {
    this.#limitMs = limitMs;
    this.#loop = loop;
  }

  onSent(): void {
    this.#acted = true;
    this.#asked = true;
    this.#begin();
  }

  onReceived(): void {
    this.#acted = true;
    if (this.#isAwake && this.#asked) {
      this.#asked = false;
      this.#answered = true;
    }
    this.#begin();
  }

  close(): void {
    this.#closed = true;
  }

  #begin(): void {
    if (this.#isAwake || this.#limitMs === 0 || this.#closed) return;
    if (this.#rest > 0) {
      this.#rest--;
      return;
    }
    this.#isAwake = true;
    this.#waitsSinceMs = undefined;
    this.#loop.nextTurn(this.#look);
  }

  #lookAround(): void {
    if (this.#closed) return;
    const nowMs = this.#loop.now();
    const turnMs = nowMs - this.#lookedAtMs;
    if (this.#waitsSinceMs === undefined) {
      this.#waitsSinceMs = nowMs;
    } else if (this.#acted) {
      this.#waitsSinceMs = nowMs;
      if (this.#answered && turnMs <= LONG_TURN_MS) this.#onHit();
    } else if (!(turnMs >= 0 && turnMs <= LONG_TURN_MS)) {
      this.#sleep(true);
      return;
    } else {
      this.#debtMs += turnMs;
      const limitMs = this.#isHelping ? this.#limitMs : FIRST_WAIT_LIMITS * this.#limitMs;
      const isLost = this.#debtMs > DEBT_MAX_MS;
      if (isLost || nowMs - this.#waitsSinceMs > limitMs) {
        this.#sleep(isLost);
        return;
      }
    }
    this.#acted = false;
    this.#answered = false;
    this.#lookedAtMs = nowMs;
    this.#loop.nextTurn(this.#look);
  }

  #onHit(): void {
    this.#isHelping = true;
    this.#debtMs = Math.max(0, this.#debtMs - WORTH_MS);
    if (++this.#hits >= HITS_TO_BEGIN_ANEW) this.#nextRest = REST_MIN_DATAGRAMS;
  }

  #sleep(forLong: boolean): void {
    this.#isAwake = false;
    this.#isHelping = false;
    if (!forLong) return;
    this.#debtMs = 0;
    this.#hits = 0;
    // Two ends that both try now and then must not miss each other for ever: rests differ from each other by chance.
    this.#rest = this.#nextRest + (Math.floor(1000 * Math.abs(this.#loop.now())) % this.#nextRest);
    this.#nextRest = Math.min(2 * this.#nextRest, REST_MAX_DATAGRAMS);
  }
}
