import { describe, expect, test } from 'vitest';
import { BusyPoll } from '../../src/datagram/busy-poll.ts';

const LIMIT_MS = 0.3;
/** What a turn of an event loop takes that has nothing to do. */
const TURN_MS = 0.004;

/** An event loop whose turns come when told to. */
class Loop {
  nowMs = 0;
  awakeMs = 0;
  #tasks: (() => void)[] = [];
  readonly now = () => this.nowMs;
  readonly nextTurn = (task: () => void) => void this.#tasks.push(task);

  get isAwake(): boolean {
    return this.#tasks.length > 0;
  }

  turn(tookMs = TURN_MS): void {
    if (this.isAwake) this.awakeMs += tookMs;
    this.nowMs += tookMs;
    const tasks = this.#tasks;
    this.#tasks = [];
    for (const task of tasks) task();
  }

  pass(ms: number): void {
    const untilMs = this.nowMs + ms;
    while (this.nowMs < untilMs) this.turn();
  }

  /** Turns until it may sleep; how long that took. */
  untilAsleep(): number {
    const sinceMs = this.nowMs;
    while (this.isAwake) {
      if (this.nowMs - sinceMs > 1000) throw new Error('it never sleeps');
      this.turn();
    }
    return this.nowMs - sinceMs;
  }
}

interface End {
  readonly loop: Loop;
  readonly poll: BusyPoll;
}

function make(limitMs = LIMIT_MS): End {
  const loop = new Loop();
  return { loop, poll: new BusyPoll(limitMs, loop) };
}

/** Asks, and is answered after `ms`. */
function exchange({ loop, poll }: End, ms: number): void {
  poll.onSent();
  loop.pass(ms);
  poll.onReceived();
}

/** Lets it wait in vain until it rests; how often it waited. */
function waitInVain({ loop, poll }: End): number {
  for (let waits = 0; waits < 100; waits++) {
    poll.onSent();
    if (!loop.isAwake) return waits;
    loop.untilAsleep();
  }
  throw new Error('it never rests');
}

/** How many datagrams it lets pass; the last one has woken it. */
function restOf({ loop, poll }: End): number {
  for (let datagrams = 1; datagrams < 1000; datagrams++) {
    poll.onSent();
    if (loop.isAwake) return datagrams;
  }
  throw new Error('it rests for ever');
}

/** Part of the time in which the loop was awake while `each` went on for so many times. */
function partAwake(end: End, times: number, each: () => void): number {
  const { awakeMs, nowMs } = end.loop;
  for (let i = 0; i < times; i++) each();
  return (end.loop.awakeMs - awakeMs) / (end.loop.nowMs - nowMs);
}

describe('BusyPoll', () => {
  test('keeps the loop awake for its limit after the last datagram, and not longer', () => {
    const end = make();
    for (let i = 0; i < 20; i++) exchange(end, 0.1);
    expect(end.loop.isAwake).toBe(true);
    const awakeMs = end.loop.untilAsleep();
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

  test('rests when it has waited a millisecond in vain, each time for longer, but never for long', () => {
    const end = make();
    expect(waitInVain(end)).toBe(2);
    const rests: number[] = [];
    for (let i = 0; i < 8; i++) {
      rests.push(restOf(end));
      end.loop.untilAsleep();
      // The wait that ended the rest was the first of two.
      expect(waitInVain(end)).toBe(1);
    }
    expect(rests[0]).toBeGreaterThanOrEqual(8);
    expect(rests[2]).toBeGreaterThan(rests[0]!);
    expect(Math.max(...rests)).toBeGreaterThanOrEqual(128);
    expect(Math.max(...rests)).toBeLessThanOrEqual(256);
  });

  test('begins with short rests again after many answers in time, not after a few', () => {
    const end = make();
    for (const [answers, shortestAgain] of [
      [5, false],
      [200, true],
    ] as const) {
      for (let i = 0; i < 8; i++) {
        restOf(end);
        waitInVain(end);
      }
      restOf(end);
      for (let i = 0; i < answers; i++) exchange(end, 0.1);
      waitInVain(end);
      expect(restOf(end) < 20).toBe(shortestAgain);
    }
  });

  test('stays awake between calls that are answered at once', () => {
    const end = make();
    expect(partAwake(end, 1000, () => exchange(end, 0.08))).toBeGreaterThan(0.99);
  });

  test.each([
    ['50 ms, one datagram an answer', 50, 1],
    ['50 ms, two in one turn', 50, 2],
    ['5 ms, one', 5, 1],
    ['5 ms, two in one turn', 5, 2],
    ['1 ms, two in one turn', 1, 2],
  ])('sleeps over a longer path: %s', (_, roundTripMs, datagrams) => {
    const end = make();
    const part = partAwake(end, 2000, () => {
      end.poll.onSent();
      end.loop.pass(roundTripMs);
      for (let i = 0; i < datagrams; i++) end.poll.onReceived();
    });
    expect(part).toBeLessThan(0.03);
  });

  test.each([0.1, 0.25, 0.5])('is not kept awake by what nobody asked for, every %s ms', (everyMs) => {
    const end = make();
    const part = partAwake(end, 20_000, () => {
      end.loop.pass(everyMs);
      end.poll.onReceived();
    });
    expect(part).toBeLessThan(0.06);
  });

  test('sleeps where answers come now and then in time, and not often enough', () => {
    const end = make();
    let calls = 0;
    const part = partAwake(end, 20_000, () => exchange(end, calls++ % 4 === 0 ? 0.1 : 0.5));
    expect(part).toBeLessThan(0.25);
  });

  test('makes room at once when another process has had the processor for long', () => {
    const end = make();
    end.poll.onSent();
    end.loop.turn();
    end.loop.turn();
    end.loop.turn(5);
    expect(end.loop.isAwake).toBe(false);
    expect(restOf(end)).toBeGreaterThanOrEqual(8);
  });

  test('what comes in a turn that takes long has not come in time', () => {
    const end = make();
    let exchanges = 0;
    do {
      exchange(end, 0.2);
      end.loop.turn(5);
    } while (end.loop.isAwake && ++exchanges < 100);
    expect(exchanges).toBeLessThan(8);
  });

  test('goes on beside work that takes long, as long as answers come in time', () => {
    const end = make();
    let turns = 0;
    const part = partAwake(end, 1000, () => {
      exchange(end, 0.1);
      if (turns++ % 4 === 0) {
        end.poll.onSent();
        end.loop.turn(5);
      }
    });
    expect(part).toBeGreaterThan(0.99);
  });

  test('sleeps when the clock is set back, or gives no time at all', () => {
    for (const nowMs of [-1000, Number.NaN]) {
      const end = make();
      end.loop.nowMs = 5000;
      end.poll.onSent();
      end.loop.turn();
      end.loop.turn();
      end.loop.nowMs = nowMs;
      end.loop.turn();
      expect(end.loop.isAwake).toBe(false);
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
    for (let ahead = 0; ahead < 300; ahead += 23) {
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
