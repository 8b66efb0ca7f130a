// Stays awake for a moment where datagrams follow each other closely. Who sleeps has to be woken: the other processor must be
// told, in a virtual machine by way of its host, and finds its caches cold. Over loopback that takes longer than all the rest of
// a small call (spec/decisions/0052-busy-polling.md). Where it does not help, as over any longer path, it stops trying.

/** Waits in vain, one after the other, after which it rests. */
const MISSES_MAX = 3;

/** So many datagrams it rests for at first, then twice as many each time. */
const REST_MIN_DATAGRAMS = 8;
const REST_MAX_DATAGRAMS = 128;

/** A look that comes so long after the one before, with nothing done meanwhile: another process needs the processor more. */
const TAKEN_AWAY_MS = 1;

/** The first wait may take so many times the limit: the other end sleeps as well, and has to be woken. */
const FIRST_WAIT_LIMITS = 2;

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
  /** … and something has come. */
  #heard = false;
  #waitsSinceMs = 0;
  #lookedAtMs = 0;
  #misses = 0;
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
    this.#begin();
  }

  onReceived(): void {
    this.#acted = true;
    this.#heard = true;
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
    this.#heard = false;
    this.#loop.nextTurn(this.#look);
  }

  #lookAround(): void {
    if (this.#closed) return;
    const nowMs = this.#loop.now();
    if (this.#acted) {
      this.#waitsSinceMs = nowMs;
      if (this.#heard) this.#onHit();
    } else if (nowMs - this.#lookedAtMs > TAKEN_AWAY_MS) {
      this.#nextRest = REST_MAX_DATAGRAMS;
      this.#sleep(true);
      return;
    } else if (nowMs - this.#waitsSinceMs > this.#limitMs * (this.#isHelping ? 1 : FIRST_WAIT_LIMITS)) {
      this.#sleep(++this.#misses >= MISSES_MAX);
      return;
    }
    this.#acted = false;
    this.#heard = false;
    this.#lookedAtMs = nowMs;
    this.#loop.nextTurn(this.#look);
  }

  #onHit(): void {
    this.#isHelping = true;
    this.#misses = 0;
    this.#nextRest = REST_MIN_DATAGRAMS;
  }

  #sleep(forLong: boolean): void {
    this.#isAwake = false;
    this.#isHelping = false;
    if (!forLong) return;
    this.#misses = 0;
    // Two ends that both try now and then must not miss each other for ever: so no rest is quite as long as the one before.
    this.#rest = this.#nextRest + (Math.floor(1000 * this.#loop.now()) % this.#nextRest);
    this.#nextRest = Math.min(2 * this.#nextRest, REST_MAX_DATAGRAMS);
  }
}
