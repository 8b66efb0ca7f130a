import { describe, expect, test } from 'vitest';
import { BusyPoll } from '../../src/datagram/busy-poll.ts';

const LIMIT_MS = 0.2;
/** What a turn of an event loop takes that has nothing to do. */
const TURN_MS = 0.004;

/** An event loop whose turns come when told to. */
class Loop {
  nowMs = 0;
  #tasks: (() => void)[] = [];
  readonly now = () => this.nowMs;
  readonly nextTurn = (task: () => void) => void this.#tasks.push(task);

  get isAwake(): boolean {
    return this.#tasks.length > 0;
  }

  turn(tookMs = TURN_MS): void {
    this.nowMs += tookMs;
    const tasks = this.#tasks;
    this.#tasks = [];
    for (const task of tasks) task();
  }

  /** Turns until it may sleep; how long that took. */
  untilAsleep(): number {
    const sinceMs = this.nowMs;
    while (this.isAwake) this.turn();
    return this.nowMs - sinceMs;
  }
}

function make(limitMs = LIMIT_MS): { loop: Loop; poll: BusyPoll } {
  const loop = new Loop();
  return { loop, poll: new BusyPoll(limitMs, loop) };
}

/** Lets it wait in vain until it rests; how often it waited. */
function waitInVain({ loop, poll }: ReturnType<typeof make>): number {
  for (let waits = 0; ; waits++) {
    poll.onSent();
    if (!loop.isAwake) return waits;
    loop.untilAsleep();
  }
}

/** How many datagrams it then lets pass; the last one has woken it. */
function restOf({ loop, poll }: ReturnType<typeof make>): number {
  for (let datagrams = 1; ; datagrams++) {
    poll.onSent();
    if (loop.isAwake) return datagrams;
  }
}

describe('BusyPoll', () => {
  test('keeps the loop awake for its limit after the last datagram, and not longer', () => {
    const { loop, poll } = make();
    poll.onSent();
    loop.turn();
    poll.onReceived();
    for (let i = 0; i < 20; i++) loop.turn();
    poll.onSent();
    for (let i = 0; i < 20; i++) loop.turn();
    poll.onReceived();
    expect(loop.isAwake).toBe(true);
    const awakeMs = loop.untilAsleep();
    expect(awakeMs).toBeGreaterThan(LIMIT_MS);
    expect(awakeMs).toBeLessThan(LIMIT_MS + 4 * TURN_MS);
  });

  test('waits twice as long for the first one: who sends it has to be woken', () => {
    const { loop, poll } = make();
    poll.onSent();
    const awakeMs = loop.untilAsleep();
    expect(awakeMs).toBeGreaterThan(2 * LIMIT_MS);
    expect(awakeMs).toBeLessThan(2 * LIMIT_MS + 4 * TURN_MS);
  });

  test('with a limit of 0 the loop sleeps as always', () => {
    const { loop, poll } = make(0);
    poll.onReceived();
    poll.onSent();
    expect(loop.isAwake).toBe(false);
  });

  test('rests after three waits in vain, each time for longer, but never for long', () => {
    const pair = make();
    expect(waitInVain(pair)).toBe(3);
    const rests: number[] = [];
    for (let i = 0; i < 8; i++) {
      rests.push(restOf(pair));
      pair.loop.untilAsleep();
      // The wait that ended the rest was the first of three.
      expect(waitInVain(pair)).toBe(2);
    }
    expect(rests[0]).toBeGreaterThanOrEqual(8);
    expect(rests[2]).toBeGreaterThan(rests[0]!);
    expect(Math.max(...rests)).toBeGreaterThanOrEqual(128);
    expect(Math.max(...rests)).toBeLessThanOrEqual(256);
  });

  test('one answer in time, and all waits in vain are forgotten', () => {
    const pair = make();
    for (let i = 0; i < 10; i++) {
      pair.poll.onSent();
      expect(pair.loop.isAwake).toBe(true);
      pair.loop.untilAsleep();
      pair.poll.onSent();
      pair.loop.turn();
      pair.poll.onReceived();
      // The wait behind it is in vain again: the first one since.
      pair.loop.untilAsleep();
    }
    expect(waitInVain(pair)).toBe(2);
  });

  test('makes room at once for another process that needs the processor', () => {
    const pair = make();
    pair.poll.onSent();
    pair.loop.turn();
    pair.loop.turn(3);
    expect(pair.loop.isAwake).toBe(false);
    expect(restOf(pair)).toBeGreaterThanOrEqual(128);
  });

  test('takes work of its own for no other process', () => {
    const { loop, poll } = make();
    poll.onReceived();
    for (let i = 0; i < 10; i++) {
      poll.onSent();
      loop.turn(3);
      expect(loop.isAwake).toBe(true);
    }
  });

  test('nothing is left of it after close', () => {
    const { loop, poll } = make();
    poll.onReceived();
    poll.close();
    loop.turn();
    expect(loop.isAwake).toBe(false);
    poll.onReceived();
    expect(loop.isAwake).toBe(false);
  });

  test('two ends that are quick only while both are awake find each other, whoever has begun to rest when', () => {
    for (let ahead = 0; ahead < 300; ahead += 7) {
      const client = make();
      const server = make();
      waitInVain(client);
      waitInVain(server);
      for (let i = 0; i < ahead; i++) client.poll.onSent();
      let quick = 0;
      for (let calls = 0; calls < 4000; calls++) {
        // Each way in turn: who sleeps takes long to answer.
        for (const [from, to] of [
          [client, server],
          [server, client],
        ] as const) {
          from.poll.onSent();
          const tookMs = to.loop.isAwake ? 0.08 : 0.25;
          if (calls >= 3000 && to.loop.isAwake) quick++;
          for (let ms = 0; ms < tookMs; ms += TURN_MS) for (const { loop } of [from, to]) loop.turn();
          to.poll.onReceived();
        }
      }
      expect(quick).toBeGreaterThan(1900);
    }
  });
});
