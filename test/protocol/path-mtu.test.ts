// The search for the largest datagram that passes, without a network: states, sizes tried, black holes, errors. How it
// goes on the wire is in on-the-wire-path.test.ts.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DEFAULT_CONFIG } from '../../src/protocol/config.ts';
import {
  PATH_MTU_TRANSITIONS,
  PathMtu,
  type PathMtuEvent,
  type PathMtuState,
} from '../../src/protocol/path-mtu.ts';

const BASE = 1200;
const RAISE_MS = DEFAULT_CONFIG.mtuRaiseMs;

/** A path that carries datagrams up to some size, and a search that is given as many probes as it asks for. */
class Search {
  nowMs = 0;
  pathBytes: number;
  readonly probed: number[] = [];
  readonly sizes: number[] = [];
  readonly mtu: PathMtu = new PathMtu(DEFAULT_CONFIG, (bytes) => this.sizes.push(bytes));

  constructor(ceilingBytes: number, pathBytes: number) {
    this.pathBytes = pathBytes;
    this.mtu.onSession(ceilingBytes);
  }

  /** Until no probe is asked for. */
  run(): this {
    for (let bytes = this.#next(); bytes !== undefined; bytes = this.#next()) {
      this.probed.push(bytes);
      if (this.probed.length > 200) throw new Error('the search does not end');
      if (bytes <= this.pathBytes) this.mtu.onProbeAcked(bytes);
      else this.mtu.onProbeLost(bytes, this.nowMs);
    }
    return this;
  }

  #next(): number | undefined {
    return this.mtu.probeBytes(this.nowMs);
  }

  /** So many datagrams of the size in use leave. */
  send(count: number): void {
    for (let i = 0; i < count; i++) {
      const bytes = this.mtu.datagramBytes;
      if (bytes <= this.pathBytes) this.mtu.onArrived(bytes);
      else this.mtu.onLost(bytes, this.nowMs);
    }
  }
}

describe('path MTU: every state and event', () => {
  const STATES = Object.keys(PATH_MTU_TRANSITIONS) as PathMtuState[];
  const EVENTS: readonly PathMtuEvent[] = [
    'session',
    'base-passed',
    'base-failed',
    'search-ended',
    'raise',
    'black-hole',
    'retry',
    'moved',
  ];
  // '' = stays as it is. Columns as EVENTS. P-87
  const MATRIX: Readonly<Record<PathMtuState, readonly (PathMtuState | '')[]>> = {
    disabled: ['base', '', '', '', '', '', '', ''],
    base: ['', 'searching', 'error', '', '', '', '', ''],
    searching: ['', '', 'error', 'complete', '', 'base', '', 'base'],
    complete: ['', '', 'error', '', 'searching', 'base', '', 'base'],
    error: ['', 'searching', '', '', '', '', 'base', 'base'],
  };

  test.each(STATES)('%s', (state) => {
    const row = EVENTS.map((event) => PATH_MTU_TRANSITIONS[state][event] ?? '');
    expect(row).toEqual(MATRIX[state]);
  });
});

describe('the search', () => {
  test('begins with the first session; before, nothing is probed', () => {
    const mtu = new PathMtu(DEFAULT_CONFIG, () => {});
    expect([mtu.state, mtu.datagramBytes, mtu.probeBytes(0)]).toEqual(['disabled', BASE, undefined]);
    mtu.onSession(9000);
    expect([mtu.state, mtu.probeBytes(0)]).toEqual(['base', BASE]);
  });

  // P-83
  test('confirms 1200 bytes, then tries the ceiling', () => {
    const { probed, mtu } = new Search(1452, 1500).run();
    expect(probed).toEqual([BASE, 1452]);
    expect([mtu.state, mtu.datagramBytes]).toEqual(['complete', 1452]);
  });

  test('needs no probe of 1200 bytes where one as long has arrived', () => {
    const search = new Search(1452, 1500);
    search.mtu.onArrived(BASE);
    expect(search.run().probed).toEqual([1452]);
  });

  // P-83: common sizes first, then halves of what is not known.
  test('gives a size up after three lost probes, and all larger ones with it', () => {
    const { probed, mtu } = new Search(9000, 1380).run();
    expect(probed).toEqual([BASE, 9000, 8940, 4048, 1452, 1326, 1389, 1357, 1389, 1389]);
    expect([mtu.state, mtu.datagramBytes]).toEqual(['complete', 1357]);
  });

  test('is not misled by two losses of each size', () => {
    const search = new Search(9000, 9000);
    search.mtu.onArrived(BASE);
    const lost = new Map<number, number>();
    for (let bytes = search.mtu.probeBytes(0); bytes !== undefined; bytes = search.mtu.probeBytes(0)) {
      const times = lost.get(bytes) ?? 0;
      lost.set(bytes, times + 1);
      if (times < 2) search.mtu.onProbeLost(bytes, 0);
      else search.mtu.onProbeAcked(bytes);
    }
    expect(search.mtu.datagramBytes).toBe(9000);
    // Of a probe long forgotten.
    search.mtu.onProbeLost(4048, 0);
    expect([search.mtu.datagramBytes, search.mtu.state]).toEqual([9000, 'complete']);
  });

  test('ends, for any path, within a thirty-second of what passes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: BASE, max: 65_507 }),
        fc.integer({ min: BASE, max: 70_000 }),
        (ceilingBytes, pathBytes) => {
          const { mtu, probed } = new Search(ceilingBytes, pathBytes).run();
          const best = Math.min(ceilingBytes, pathBytes);
          expect(mtu.state).toBe('complete');
          expect(mtu.datagramBytes).toBeLessThanOrEqual(best);
          expect(mtu.datagramBytes).toBeGreaterThanOrEqual(best - best / 32 - 1);
          expect(probed.length).toBeLessThan(20);
        },
      ),
    );
  });

  // P-88
  test('begins anew on another path', () => {
    const search = new Search(9000, 9000).run();
    search.mtu.onMoved();
    expect([search.mtu.state, search.mtu.datagramBytes]).toEqual(['base', BASE]);
    search.pathBytes = 1452;
    expect(search.run().mtu.datagramBytes).toBe(1452);
  });

  test('goes on where a new session of the same peer allows more, and back where it allows less', () => {
    const search = new Search(1452, 65_000).run();
    search.mtu.onSession(9000);
    expect(search.run().mtu.datagramBytes).toBe(9000);
    search.mtu.onSession(1400);
    expect([search.mtu.state, search.mtu.datagramBytes]).toEqual(['base', BASE]);
    expect(search.run().mtu.datagramBytes).toBe(1400);
  });

  test('tells each change of size once', () => {
    expect(new Search(9000, 1300).run().sizes).toEqual([1263, 1294]);
  });
});

describe('a path that shrinks', () => {
  // P-85
  test('is noticed with the third large loss in a row; sizes below are looked for at once', () => {
    const search = new Search(9000, 9000).run();
    search.pathBytes = 4048;
    search.send(2);
    expect(search.mtu.datagramBytes).toBe(9000);
    search.send(1);
    expect([search.mtu.state, search.mtu.datagramBytes]).toEqual(['base', BASE]);
    search.probed.length = 0;
    search.run();
    expect(search.mtu.datagramBytes).toBeGreaterThanOrEqual(4048);
    expect(Math.max(...search.probed)).toBeLessThan(9000);
  });

  test('is not what three losses say when one between them has arrived', () => {
    const search = new Search(9000, 9000).run();
    for (let i = 0; i < 10; i++) {
      for (let lost = 0; lost < 2; lost++) search.mtu.onLost(9000, 0);
      search.mtu.onArrived(9000);
    }
    expect(search.mtu.datagramBytes).toBe(9000);
  });

  test('is not what losses of small datagrams say', () => {
    const search = new Search(9000, 9000).run();
    for (let i = 0; i < 50; i++) search.mtu.onLost(1100, 0);
    expect(search.mtu.datagramBytes).toBe(9000);
  });

  // P-87
  test('and grows again is found out after ten minutes, not before', () => {
    const search = new Search(9000, 9000).run();
    search.pathBytes = 1452;
    search.send(3);
    search.run();
    expect(search.mtu.datagramBytes).toBe(1452);
    search.pathBytes = 9000;
    search.nowMs = RAISE_MS - 1;
    expect(search.run().mtu.datagramBytes).toBe(1452);
    search.nowMs = RAISE_MS;
    expect(search.run().mtu.datagramBytes).toBe(9000);
    // At the ceiling there is nothing to raise, ever.
    search.probed.length = 0;
    search.nowMs += 10 * RAISE_MS;
    expect(search.run().probed).toEqual([]);
  });

  test('stays as it is when the larger sizes still fail after ten minutes', () => {
    const search = new Search(9000, 1452).run();
    for (let i = 1; i <= 3; i++) {
      search.nowMs += RAISE_MS;
      search.probed.length = 0;
      search.run();
      expect(search.probed.length).toBeGreaterThan(3);
      expect(search.mtu.datagramBytes).toBe(1452);
    }
  });
});

describe('what the local network refuses as too long', () => {
  // P-85
  test('is not tried again, and what is in use goes back if it is as long', () => {
    const search = new Search(9000, 9000);
    search.mtu.onArrived(BASE);
    search.mtu.onTooLong(9000, 0);
    expect(search.mtu.probeBytes(0)).toBe(8940);
    search.run();
    expect(search.mtu.datagramBytes).toBe(8940);
    search.pathBytes = 4048;
    search.mtu.onTooLong(8940, 0);
    expect([search.mtu.state, search.mtu.datagramBytes]).toEqual(['base', BASE]);
    expect(search.run().mtu.datagramBytes).toBeGreaterThanOrEqual(4048);
  });

  // P-89
  test('with 1200 bytes is an error', () => {
    const search = new Search(9000, 9000).run();
    search.mtu.onTooLong(BASE, 0);
    expect([search.mtu.state, search.mtu.datagramBytes, search.mtu.errors]).toEqual(['error', BASE, 1]);
  });
});

describe('a path that does not carry 1200 bytes', () => {
  // P-89
  test('is an error after three probes, tried again no sooner than a second later, until they pass', () => {
    const search = new Search(9000, 9000).run();
    search.pathBytes = 600;
    search.send(3);
    search.probed.length = 0;
    search.run();
    expect(search.probed).toEqual([BASE, BASE, BASE]);
    expect([search.mtu.state, search.mtu.errors]).toEqual(['error', 1]);
    search.nowMs = 999;
    expect(search.mtu.probeBytes(search.nowMs)).toBeUndefined();
    search.nowMs = 1000;
    search.run();
    expect([search.mtu.state, search.mtu.errors]).toEqual(['error', 2]);
    search.pathBytes = 9000;
    search.nowMs = 2000;
    expect(search.run().mtu.state).toBe('complete');
  });

  test('is noticed where 1200 bytes is all there is, too', () => {
    const search = new Search(BASE, 9000).run();
    search.pathBytes = 600;
    search.send(3);
    expect(search.mtu.state).toBe('base');
    expect(search.run().mtu.state).toBe('error');
  });

  test('is over when anything as long arrives', () => {
    const search = new Search(9000, 9000).run();
    search.mtu.onTooLong(BASE, 0);
    search.mtu.onArrived(100);
    expect(search.mtu.state).toBe('error');
    search.mtu.onArrived(1190);
    expect(search.mtu.state).toBe('searching');
  });
});

test('no sequence of events leads to a size outside of 1200 and the ceiling', () => {
  const event = fc.oneof(
    fc.record({ kind: fc.constant('probe' as const), passes: fc.boolean() }),
    fc.record({ kind: fc.constant('lost' as const), bytes: fc.integer({ min: 20, max: 65_507 }) }),
    fc.record({ kind: fc.constant('arrived' as const), bytes: fc.integer({ min: 20, max: 65_507 }) }),
    fc.record({ kind: fc.constant('too long' as const), bytes: fc.integer({ min: 20, max: 65_507 }) }),
    fc.record({ kind: fc.constant('black hole' as const) }),
    fc.record({ kind: fc.constant('moved' as const) }),
    fc.record({ kind: fc.constant('later' as const), ms: fc.integer({ min: 0, max: 2 * RAISE_MS }) }),
    fc.record({ kind: fc.constant('session' as const), bytes: fc.integer({ min: 0, max: 65_507 }) }),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      let nowMs = 0;
      let ceilingBytes = BASE;
      const mtu = new PathMtu(DEFAULT_CONFIG, () => {});
      for (const step of events) {
        if (step.kind === 'probe') {
          const bytes = mtu.probeBytes(nowMs);
          if (bytes !== undefined) {
            expect(bytes).toBeLessThanOrEqual(ceilingBytes);
            if (step.passes) mtu.onProbeAcked(bytes);
            else mtu.onProbeLost(bytes, nowMs);
          }
        } else if (step.kind === 'lost') mtu.onLost(step.bytes, nowMs);
        else if (step.kind === 'arrived') mtu.onArrived(step.bytes);
        else if (step.kind === 'too long') mtu.onTooLong(step.bytes, nowMs);
        else if (step.kind === 'black hole') mtu.onBlackHole(nowMs);
        else if (step.kind === 'moved') mtu.onMoved();
        else if (step.kind === 'later') nowMs += step.ms;
        else {
          ceilingBytes = Math.max(BASE, step.bytes);
          mtu.onSession(step.bytes);
        }
        expect(mtu.datagramBytes).toBeGreaterThanOrEqual(BASE);
        expect(mtu.datagramBytes).toBeLessThanOrEqual(ceilingBytes);
      }
    }),
  );
});
