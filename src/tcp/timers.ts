// All times at which something is due, in one heap, and one timer of the clock for the earliest.

import type { Clock, Timer } from '../base/clock.ts';
import { Heap, type HeapEntry } from '../base/heap.ts';

/** The alarms of one endpoint. */
export class Timers {
  readonly #clock: Clock;
  readonly #soon: (task: () => void) => void;
  readonly #stallMs: number;
  readonly #alarms = new Heap<Alarm>();
  #timer: Timer | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #closed = false;
  #wokeAtMs: number;
  #stalledUntilMs = Number.NEGATIVE_INFINITY;
  /** The machine has slept, and the clock with it. */
  onWake: (nowMs: number) => void = () => {};

  /** `soon` runs a task at the end of the turn, after what has arrived was read. */
  constructor(clock: Clock, soon: (task: () => void) => void, stallMs: number) {
    this.#clock = clock;
    this.#soon = soon;
    this.#stallMs = stallMs;
    this.#wokeAtMs = clock.wokeAtMs();
  }

  get size(): number {
    return this.#alarms.size;
  }

  /** What began before this time says nothing of how long anything takes: we have stood still since. */
  get stalledUntilMs(): number {
    this.#noticeStall(this.#clock.now());
    return this.#stalledUntilMs;
  }

  add(alarm: Alarm, atMs: number): HeapEntry<Alarm> {
    const entry = this.#alarms.push(atMs, alarm);
    this.#arm();
    return entry;
  }

  move(entry: HeapEntry<Alarm>, atMs: number): void {
    this.#alarms.move(entry, atMs);
    this.#arm();
  }

  remove(entry: HeapEntry<Alarm>): void {
    this.#alarms.remove(entry);
  }

  close(): void {
    this.#closed = true;
    this.#alarms.clear();
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** One that is armed too early is left: it looks again when it fires. */
  #arm(): void {
    const atMs = this.#alarms.peek()?.key ?? Number.POSITIVE_INFINITY;
    if (this.#closed || atMs >= this.#timerAtMs) return;
    this.#timer?.cancel();
    this.#timerAtMs = atMs;
    this.#timer = this.#clock.setTimer(Math.max(0, atMs - this.#clock.now()), () => {
      this.#timerAtMs = Number.POSITIVE_INFINITY;
      // An answer in the socket's buffer is not late.
      this.#soon(() => this.#ring());
    });
  }

  #ring(): void {
    if (this.#closed) return;
    const nowMs = this.#clock.now();
    this.#noticeStall(nowMs);
    try {
      for (let due = this.#alarms.peek(); due !== undefined && due.key <= nowMs; due = this.#alarms.peek()) {
        this.#alarms.pop();
        due.value.ring(nowMs, nowMs - due.key > this.#stallMs);
      }
    } finally {
      // A caller's `onOverdue` may throw; the others are still due.
      this.#arm();
    }
  }

  #noticeStall(nowMs: number): void {
    const wokeAtMs = this.#clock.wokeAtMs();
    if (wokeAtMs > this.#wokeAtMs) {
      this.#wokeAtMs = wokeAtMs;
      this.#stalledUntilMs = nowMs;
      this.onWake(nowMs);
      return;
    }
    const dueAtMs = this.#alarms.peek()?.key ?? Number.POSITIVE_INFINITY;
    if (nowMs - Math.max(dueAtMs, this.#stalledUntilMs) > this.#stallMs) this.#stalledUntilMs = nowMs;
  }
}

/** Something that is due at one time, which may be moved. */
export class Alarm {
  readonly #timers: Timers;
  readonly #onDue: (nowMs: number, stalled: boolean) => void;
  #entry: HeapEntry<Alarm> | undefined;

  /** `stalled`: it comes so late that our own process has been held up. */
  constructor(timers: Timers, onDue: (nowMs: number, stalled: boolean) => void) {
    this.#timers = timers;
    this.#onDue = onDue;
  }

  /** When it rings; `Infinity` when it is not set. */
  get atMs(): number {
    return this.#entry?.key ?? Number.POSITIVE_INFINITY;
  }

  /** Rings then, and not at what was set before; `Infinity`: not at all. */
  set(atMs: number): void {
    if (atMs === Number.POSITIVE_INFINITY) {
      if (this.#entry !== undefined) this.#timers.remove(this.#entry);
      this.#entry = undefined;
    } else if (this.#entry === undefined) this.#entry = this.#timers.add(this, atMs);
    else if (this.#entry.key !== atMs) this.#timers.move(this.#entry, atMs);
  }

  clear(): void {
    this.set(Number.POSITIVE_INFINITY);
  }

  /** For {@link Timers}. */
  ring(nowMs: number, stalled: boolean): void {
    this.#entry = undefined;
    this.#onDue(nowMs, stalled);
  }
}
