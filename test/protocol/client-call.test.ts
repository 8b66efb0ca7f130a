import { describe, expect, test } from 'vitest';
import type { CallLimits } from '../../src/base/call-report.ts';
import {
  CLIENT_CALL_TRANSITIONS,
  ClientCall,
  type ClientCallEvent,
  type ClientCallState,
} from '../../src/protocol/client-call.ts';
import { decodeFrames } from '../../src/wire/frame.ts';

const STATES = Object.keys(CLIENT_CALL_TRANSITIONS) as ClientCallState[];
const EVENTS: readonly ClientCallEvent[] = [
  'piece-sent',
  'all-sent',
  'working',
  'answer-piece',
  'restart',
  'settle',
];

const LIMITS: CallLimits = {
  deadline: 'given',
  deadlineAfterMs: 5000,
  overdueAfterMs: 1000,
  basis: {
    source: 'none',
    samples: 0,
    p95Ms: 0,
    cohortSamples: 0,
    cohortP95Ms: 0,
    smoothedRttMs: 1,
    rttVarianceMs: 0,
  },
};

function newCall(sizeBytes = 100, deadlineAtMs = 5000, firstIncomplete = 3): ClientCall {
  const bytes = Uint8Array.from({ length: sizeBytes }, (_, i) => i);
  const request = {
    callId: 7,
    method: 'm',
    bytes,
    deadlineAtMs,
    limits: LIMITS,
    idempotent: false,
    sizeBytes,
  };
  return new ClientCall(request, { firstIncomplete, onCallTimer: () => {} }, Number.MAX_SAFE_INTEGER, 0);
}

describe('client call: every state and event', () => {
  // '' = stays as it is. Columns as EVENTS.
  const MATRIX: Readonly<Record<ClientCallState, readonly (ClientCallState | '')[]>> = {
    queued: ['sending', 'sent', '', '', '', 'settled'],
    sending: ['', 'sent', '', 'answering', 'queued', 'settled'],
    sent: ['', '', 'working', 'answering', 'queued', 'settled'],
    working: ['', '', '', 'answering', 'queued', 'settled'],
    answering: ['', '', '', '', 'queued', 'settled'],
    // P-48: nothing brings a settled call back.
    settled: ['', '', '', '', '', ''],
  };

  const CELLS = STATES.flatMap((state) =>
    EVENTS.map((event, column) => [state, event, MATRIX[state][column] || state] as const),
  );

  test.each(CELLS)('%s + %s = %s', (state, event, expected) => {
    const call = newCall();
    call.state = state;
    call.apply(event);
    expect(call.state).toBe(expected);
    expect(call.dead).toBe(expected === 'settled');
  });
});

describe('client call', () => {
  test('a request that fits leaves in one frame, and may have run from then on', () => {
    const call = newCall(100);
    const target = new Uint8Array(1200);
    const end = call.writePiece(target, 0, 1200, 250);
    expect(decodeFrames(target.subarray(0, end))).toEqual([
      {
        type: 'request-start',
        callId: 7,
        firstIncomplete: 3,
        // P-38: what is left of the time when it leaves.
        remainingMs: 4750,
        total: 100,
        data: call.request.bytes,
      },
    ]);
    expect(call.state).toBe('sent');
    expect(call.firstSentAtMs).toBe(250);
  });

  test('a longer one leaves in pieces, and cannot have run before the last', () => {
    const call = newCall(100);
    const target = new Uint8Array(1200);
    const middle = call.writePiece(target, 0, 50, 10);
    expect(middle).toBeLessThanOrEqual(50);
    expect(call.state).toBe('sending');
    const end = call.writePiece(target, middle, 1200 - middle, 20);
    expect(call.state).toBe('sent');
    expect(call.firstSentAtMs).toBe(10);
    const frames = decodeFrames(target.subarray(0, end))!;
    expect(frames.map((frame) => frame.type)).toEqual(['request-start', 'request']);
    const pieces = frames.map((frame) => ('data' in frame ? [...frame.data] : []));
    expect(pieces.flat()).toEqual([...call.request.bytes]);
  });

  test('takes nothing when there is no room for a single byte of it', () => {
    const call = newCall(100);
    for (let room = 0; room <= 10; room++) {
      const target = new Uint8Array(20);
      const end = call.writePiece(target, 0, room, 0);
      expect(end).toBeLessThanOrEqual(room);
      if (end > 0) expect(decodeFrames(target.subarray(0, end))).toHaveLength(1);
      else expect(call.state).toBe('queued');
      if (end > 0) return;
    }
    expect.fail('ten bytes are enough for one');
  });

  // P-38
  test('who waits for ever says 0, and whose time is up says 1', () => {
    for (const [deadlineAtMs, remainingMs] of [
      [Number.POSITIVE_INFINITY, 0],
      [100, 1],
      [300.2, 101],
    ] as const) {
      const call = newCall(10, deadlineAtMs);
      const target = new Uint8Array(100);
      const end = call.writePiece(target, 0, 100, 200);
      expect(decodeFrames(target.subarray(0, end))).toMatchObject([{ remainingMs }]);
    }
  });

  test('wakes when it is overdue, then at its deadline', () => {
    const call = newCall();
    expect(call.wakeAtMs).toBe(call.overdue.lookAtMs);
    const limits = { ...call.request.limits, overdueAfterMs: 900 };
    expect(call.overdue.look(1000, { sentAtMs: 0, limits, isOurs: () => false })).toBe(true);
    expect(call.wakeAtMs).toBe(5000);
  });
});
