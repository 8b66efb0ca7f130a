import { describe, expect, test } from 'vitest';
import {
  SERVER_CALL_TRANSITIONS,
  ServerCall,
  type ServerCallEvent,
  type ServerCallState,
} from '../../src/protocol/server-call.ts';
import { decodeFrames, STATUS } from '../../src/wire/frame.ts';

const STATES = Object.keys(SERVER_CALL_TRANSITIONS) as ServerCallState[];
const EVENTS: readonly ServerCallEvent[] = ['complete-early', 'complete', 'confirmed', 'answer', 'forget'];

function newCall(): ServerCall {
  return new ServerCall(7, 100, { onCallTimer: () => {}, forgetAnswer: () => {} });
}

describe('server call: every state and event', () => {
  // '' = stays as it is. Columns as EVENTS.
  const MATRIX: Readonly<Record<ServerCallState, readonly (ServerCallState | '')[]>> = {
    receiving: ['parked', 'running', '', 'answering', 'forgotten'],
    parked: ['', '', 'running', 'answering', 'forgotten'],
    // P-50: nothing brings a call back to running.
    running: ['', '', '', 'answering', 'forgotten'],
    answering: ['', '', '', '', 'forgotten'],
    forgotten: ['', '', '', '', ''],
  };

  const CELLS = STATES.flatMap((state) =>
    EVENTS.map((event, column) => [state, event, MATRIX[state][column] || state] as const),
  );

  test.each(CELLS)('%s + %s = %s', (state, event, expected) => {
    const call = newCall();
    call.state = state;
    call.apply(event);
    expect(call.state).toBe(expected);
    // Only an answer has something to send.
    expect(call.dead).toBe(expected !== 'answering');
  });
});

describe('server call', () => {
  test('tells with the answer how long the handler had the request', () => {
    const call = newCall();
    call.apply('complete');
    call.completeAtMs = 1000;
    call.answer(STATUS.ok, Uint8Array.of(1, 2, 3), 64, 1012.5);
    const target = new Uint8Array(100);
    const end = call.writePiece(target, 0, 100, 2000);
    expect(decodeFrames(target.subarray(0, end))).toMatchObject([
      { type: 'response-start', callId: 7, status: STATUS.ok, heldUs: 12_500, total: 3 },
    ]);
  });

  test('a refusal of what is not whole was held for no time', () => {
    const call = newCall();
    call.answer(STATUS.error, Uint8Array.of(1), 64, 5000);
    const target = new Uint8Array(100);
    const end = call.writePiece(target, 0, 100, 5000);
    expect(decodeFrames(target.subarray(0, end))).toMatchObject([{ status: STATUS.error, heldUs: 0 }]);
  });

  test('an answer without a body is one frame', () => {
    const call = newCall();
    call.answer(STATUS.ok, new Uint8Array(0), 64, 0);
    const target = new Uint8Array(100);
    expect(call.writePiece(target, 0, 5, 0)).toBe(0);
    const end = call.writePiece(target, 0, 100, 0);
    expect(decodeFrames(target.subarray(0, end))).toMatchObject([{ type: 'response-start', total: 0 }]);
    expect(call.message.sendable).toBe(false);
  });

  test('an answer in pieces is the answer', () => {
    const call = newCall();
    const body = Uint8Array.from({ length: 300 }, (_, i) => i);
    call.answer(STATUS.ok, body, 1000, 0);
    const received: number[] = [];
    while (call.message.sendable) {
      const target = new Uint8Array(40);
      const end = call.writePiece(target, 0, 40, 0);
      const [frame] = decodeFrames(target.subarray(0, end))!;
      if (frame === undefined || !('data' in frame)) expect.fail('a piece was expected');
      received.push(...frame.data);
    }
    expect(received).toEqual([...body]);
  });
});
