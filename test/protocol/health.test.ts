import { describe, expect, test } from 'vitest';
import { DEFAULT_CONFIG } from '../../src/protocol/config.ts';
import {
  type Evidence,
  type HealthAction,
  HealthMonitor,
  type PeerHealth,
} from '../../src/protocol/health.ts';

const NOTHING: Evidence = {
  unansweredProbes: 0,
  probesToSilence: 3,
  hasCalls: true,
  graceUntilMs: Number.NEGATIVE_INFINITY,
  askAfterMs: 200,
};

function evidence(unansweredProbes: number): Evidence {
  return { ...NOTHING, unansweredProbes };
}

/** A peer in this state at 1000 ms, last heard, suspected or silent since then. */
function peerIn(state: PeerHealth): HealthMonitor {
  const health = new HealthMonitor(DEFAULT_CONFIG);
  health.onFirstCall(1000);
  if (state === 'unknown') return health;
  health.onHeard(1000);
  if (state === 'live') return health;
  health.onTimer(1000, evidence(1));
  if (state === 'silent') health.declareSilent(1000, 0);
  return health;
}

const STATES: readonly PeerHealth[] = ['unknown', 'live', 'suspect', 'silent'];

/** What each event does in each state: the new state and what is asked for. */
const EVENTS: Readonly<
  Record<
    string,
    {
      readonly happen: (health: HealthMonitor) => HealthAction | undefined;
      readonly outcome: Readonly<Record<PeerHealth, readonly [PeerHealth, HealthAction | undefined]>>;
    }
  >
> = {
  'a packet is heard': {
    happen: (health) => {
      health.onHeard(1600);
      return undefined;
    },
    outcome: {
      unknown: ['live', undefined],
      live: ['live', undefined],
      suspect: ['live', undefined],
      silent: ['live', undefined],
    },
  },
  'time passes, nothing unanswered, calls outstanding': {
    happen: (health) => health.onTimer(1600, NOTHING),
    outcome: {
      unknown: ['unknown', 'probe'],
      live: ['live', 'probe'],
      suspect: ['suspect', 'probe'],
      silent: ['silent', 'probe'],
    },
  },
  'time passes, nothing unanswered, no calls': {
    happen: (health) => health.onTimer(1600, { ...NOTHING, hasCalls: false }),
    outcome: {
      unknown: ['unknown', 'nothing'],
      live: ['live', 'nothing'],
      suspect: ['suspect', 'nothing'],
      silent: ['silent', 'probe'],
    },
  },
  'the first probe is unanswered': {
    happen: (health) => health.onTimer(1600, evidence(1)),
    outcome: {
      unknown: ['suspect', 'suspected'],
      live: ['suspect', 'suspected'],
      suspect: ['suspect', 'nothing'],
      silent: ['silent', 'probe'],
    },
  },
  'enough probes are unanswered': {
    happen: (health) => health.onTimer(1600, evidence(3)),
    outcome: {
      unknown: ['suspect', 'suspected'],
      live: ['suspect', 'suspected'],
      suspect: ['suspect', 'declare-silent'],
      silent: ['silent', 'probe'],
    },
  },
  'enough probes are unanswered, but too soon': {
    happen: (health) => health.onTimer(1499, evidence(9)),
    outcome: {
      unknown: ['suspect', 'suspected'],
      live: ['suspect', 'suspected'],
      suspect: ['suspect', 'nothing'],
      silent: ['silent', 'nothing'],
    },
  },
};

// P-91, P-95, P-96: every state and event.
describe.each(STATES)('a peer that is %s', (state) => {
  test.each(Object.entries(EVENTS))('%s', (_name, { happen, outcome }) => {
    const health = peerIn(state);
    const action = happen(health);
    expect([health.state, action]).toEqual(outcome[state]);
  });
});

describe('HealthMonitor', () => {
  // P-92
  test('silence takes enough probes and enough time, and its timer says when', () => {
    const health = peerIn('suspect');
    expect(health.timerAtMs(1100, evidence(2))).toBe(Number.POSITIVE_INFINITY);
    expect(health.timerAtMs(1100, evidence(3))).toBe(1600);
    expect(health.onTimer(1599.9, evidence(3))).toBe('nothing');
    expect(health.onTimer(1600, evidence(2))).toBe('nothing');
    expect(health.onTimer(1600, evidence(3))).toBe('declare-silent');
    // Asked late it is due at once, not in the past.
    expect(health.timerAtMs(2000, evidence(3))).toBe(2000);
  });

  // P-92
  test('a lossy path needs more probes', () => {
    const lossy = { ...evidence(3), probesToSilence: 7 };
    const health = peerIn('suspect');
    expect(health.onTimer(9000, lossy)).toBe('nothing');
    expect(health.onTimer(9000, { ...lossy, unansweredProbes: 7 })).toBe('declare-silent');
  });

  // P-90
  test('with calls outstanding it asks after so long without a sign of life, and again after as long', () => {
    const health = peerIn('live');
    expect(health.timerAtMs(1000, NOTHING)).toBe(1200);
    expect(health.onTimer(1199, NOTHING)).toBe('nothing');
    expect(health.onTimer(1200, NOTHING)).toBe('probe');
    expect(health.timerAtMs(1200, NOTHING)).toBe(1400);
    health.onHeard(1250);
    expect(health.timerAtMs(1250, NOTHING)).toBe(1450);
  });

  // P-96
  test('without calls it wants no timer', () => {
    const health = peerIn('live');
    expect(health.timerAtMs(1000, { ...NOTHING, hasCalls: false })).toBe(Number.POSITIVE_INFINITY);
  });

  test('the time before the first call is not held against the peer', () => {
    const health = peerIn('live');
    health.onFirstCall(50_000);
    expect(health.timerAtMs(50_000, NOTHING)).toBe(50_200);
  });

  // P-93
  test('a silent peer is asked at doubled distances, up to the longest', () => {
    const health = peerIn('silent');
    const asked: number[] = [];
    for (let i = 0; i < 9; i++) {
      const atMs = health.timerAtMs(0, NOTHING);
      expect(health.onTimer(atMs, NOTHING)).toBe('probe');
      asked.push(atMs);
    }
    const distances = asked.map((atMs, i) => atMs - (asked[i - 1] ?? 1000));
    expect(distances).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  });

  test('the first of these comes with jitter, so that many do not ask at once', () => {
    const health = peerIn('suspect');
    health.declareSilent(1000, 0.5);
    expect(health.timerAtMs(1000, NOTHING)).toBe(1525);
  });

  // P-94
  test('a call to a silent peer brings the next question forward, not beyond one each 500 ms', () => {
    const health = peerIn('silent');
    for (let i = 0; i < 5; i++) health.onTimer(health.timerAtMs(0, NOTHING), NOTHING);
    const lastMs = 1000 + 500 + 1000 + 2000 + 4000 + 8000;
    health.probeSoon(lastMs + 10);
    expect(health.timerAtMs(0, NOTHING)).toBe(lastMs + 500);
    health.probeSoon(lastMs + 700);
    expect(health.timerAtMs(0, NOTHING)).toBe(lastMs + 500);
    health.onTimer(lastMs + 700, NOTHING);
    health.probeSoon(lastMs + 5000);
    expect(health.timerAtMs(0, NOTHING)).toBe(lastMs + 5000);
  });

  // P-95
  test('says how long a peer was silent when it is heard again', () => {
    const health = peerIn('silent');
    expect(health.onHeard(4500)).toBe(3500);
    expect(health.onHeard(4600)).toBeUndefined();
    expect(peerIn('suspect').onHeard(4500)).toBeUndefined();
  });

  // P-68
  test('after our own standstill time counts from now', () => {
    const health = peerIn('suspect');
    health.forgiveStall(60_000);
    expect(health.onTimer(60_000, evidence(3))).toBe('nothing');
    expect(health.timerAtMs(60_000, evidence(3))).toBe(60_600);
    expect(health.timerAtMs(60_000, NOTHING)).toBe(60_200);
  });
});
