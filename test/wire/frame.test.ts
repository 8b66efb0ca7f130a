import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concatBytes } from '../../src/base/bytes.ts';
import {
  ackBytesMax,
  CALL_FRAME_BYTES_MAX,
  cancelBytesMax,
  decodeFrames,
  FRAME,
  type Frame,
  fragmentOverheadBytes,
  GRANT_BYTES_MAX,
  HELLO_BYTES_MAX,
  type IdRange,
  MAX_RANGES_PER_FRAME,
  PATH_FRAME_BYTES,
  requestStartBytes,
  responseStartBytes,
} from '../../src/wire/frame.ts';
import { encodeFrame, fromForm, fromHex, toForm, toHex, vectors } from './vectors.ts';

describe('frames of the vectors', () => {
  test.each(vectors.frames.good)('$name: decoded', ({ hex, frames }) => {
    expect(toForm(decodeFrames(fromHex(hex)))).toEqual(frames);
  });

  test.each(vectors.frames.good)('$name: encoded', ({ hex, frames }) => {
    expect(frames.map((form) => toHex(encodeFrame(fromForm(form)))).join('')).toBe(hex);
  });

  test.each(vectors.frames.read)('$name: decoded', ({ hex, frames }) => {
    expect(toForm(decodeFrames(fromHex(hex)))).toEqual(frames);
  });

  // P-12
  test.each(vectors.frames.malformed)('refused: $name', ({ hex }) => {
    expect(decodeFrames(fromHex(hex))).toBeUndefined();
  });

  // P-12: one bad frame spoils the packet, wherever it stands.
  test.each(vectors.frames.malformed)('refused behind and before a good frame: $name', ({ hex }) => {
    expect(decodeFrames(fromHex(`01${hex}`))).toBeUndefined();
    expect(decodeFrames(fromHex(`0000${hex}`))).toBeUndefined();
  });

  test('every type of frame is among them', () => {
    const seen = new Set(vectors.frames.good.flatMap(({ hex }) => fromHex(hex)[0] ?? []));
    const types = Object.values(FRAME).filter((type) => type !== FRAME.padding);
    expect([...seen].sort((a, b) => a - b)).toEqual(types);
  });
});

const id = fc.oneof(fc.maxSafeNat(), fc.nat(300));
const data = fc.uint8Array({ minLength: 1, maxLength: 40 });
const randomId = fc.maxSafeNat().map((value) => Math.max(1, value));

/** Ascending disjoint ranges, from lengths and distances. */
function rangesOf(steps: readonly (readonly [number, number])[], gapMin: number): IdRange[] {
  const ranges: IdRange[] = [];
  let at = 0;
  for (const [gap, length] of steps) {
    const first = at + gap;
    ranges.push([first, first + length]);
    at = first + length + 1 + gapMin;
  }
  return ranges;
}

const steps = fc.array(fc.tuple(fc.oneof(fc.nat(3), fc.nat(2 ** 40)), fc.nat(2 ** 34)), {
  minLength: 1,
  maxLength: MAX_RANGES_PER_FRAME,
});

const frameArbitrary: fc.Arbitrary<Frame> = fc.oneof(
  fc.constant<Frame>({ type: 'ping' }),
  fc.record({
    type: fc.constant('ack' as const),
    ranges: steps.map((list) => rangesOf(list, 1).reverse()),
    delayUs: id,
  }),
  fc.record({
    type: fc.constant('hello' as const),
    epoch: randomId,
    knownEpoch: id,
    maxDatagramBytes: id,
    initialGrantBytes: id,
  }),
  fc
    .record({
      type: fc.constantFrom('request' as const, 'response' as const),
      callId: id,
      offset: fc.integer({ min: 1, max: 100_000 }),
      behind: fc.nat(100_000),
      data,
    })
    .map(({ type, callId, offset, behind, data }): Frame => {
      return { type, callId, offset, total: offset + data.length + behind, data };
    }),
  fc
    .record({
      callId: id,
      part: fc.double({ min: 0, max: 1, noNaN: true }),
      remainingMs: id,
      data,
      more: fc.nat(100_000),
    })
    .map(({ callId, part, remainingMs, data, more }): Frame => {
      const firstIncomplete = Math.floor(callId * part);
      return { type: 'request-start', callId, firstIncomplete, remainingMs, total: data.length + more, data };
    }),
  fc
    .record({ callId: id, status: fc.constantFrom(0, 1), heldUs: id, data, more: fc.nat(100_000) })
    .map(({ callId, status, heldUs, data, more }): Frame => {
      return { type: 'response-start', callId, status, heldUs, total: data.length + more, data };
    }),
  fc.record({ type: fc.constant('cancel' as const), ranges: steps.map((list) => rangesOf(list, 0)) }),
  fc.record({
    type: fc.constant('cancelled' as const),
    executed: fc.constantFrom('no' as const, 'yes' as const),
    ranges: steps.map((list) => rangesOf(list, 0)),
  }),
  fc.record({ type: fc.constantFrom('working' as const, 'unknown' as const), callId: id }),
  fc.record({ type: fc.constant('grant' as const), callId: id, limit: id }),
  fc.record({ type: fc.constantFrom('path-challenge' as const, 'path-response' as const), token: id }),
);

describe('frames in general', () => {
  test('whatever is written is read back', () => {
    fc.assert(
      fc.property(fc.array(frameArbitrary, { maxLength: 5 }), (frames) => {
        const bytes = concatBytes(frames.map(encodeFrame));
        expect(toForm(decodeFrames(bytes))).toEqual(toForm(frames));
      }),
    );
  });

  test('no frame is larger than the most that is announced for it', () => {
    fc.assert(
      fc.property(frameArbitrary, (frame) => {
        expect(encodeFrame(frame).length).toBeLessThanOrEqual(bytesMax(frame));
      }),
    );
  });

  // P-13
  test('arbitrary bytes never throw, and data is never invented', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const frames = decodeFrames(bytes);
        const dataBytes = (frames ?? []).reduce((sum, f) => sum + ('data' in f ? f.data.length : 0), 0);
        expect(dataBytes).toBeLessThanOrEqual(bytes.length);
      }),
      { numRuns: 1000 },
    );
  });

  test('what can be read of arbitrary bytes is written and read the same', () => {
    const likely = fc.array(fc.oneof(fc.nat(15), fc.nat(255)), { maxLength: 40 });
    fc.assert(
      fc.property(likely, (bytes) => {
        const frames = decodeFrames(Uint8Array.from(bytes));
        // A message of a total that no test can hold cannot be written here.
        if (frames === undefined || frames.some((f) => 'total' in f && f.total > 1e6)) return;
        const again = concatBytes(frames.map(encodeFrame));
        expect(toForm(decodeFrames(again))).toEqual(toForm(frames));
      }),
      { numRuns: 1000 },
    );
  });

  // P-13
  test('damaged frames never throw', () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(
        fc.array(frameArbitrary, { minLength: 1, maxLength: 3 }),
        damage,
        fc.nat(),
        (frames, changes, cut) => {
          const bytes = concatBytes(frames.map(encodeFrame));
          for (const [at, value] of changes) bytes[at % bytes.length] = value;
          decodeFrames(bytes);
          decodeFrames(bytes.subarray(0, cut % bytes.length));
        },
      ),
    );
  });

  test('a frame cut anywhere is refused', () => {
    fc.assert(
      fc.property(frameArbitrary, fc.nat(), (frame, cut) => {
        const bytes = encodeFrame(frame);
        const length = 1 + (cut % bytes.length);
        if (length < bytes.length) expect(decodeFrames(bytes.subarray(0, length))).toBeUndefined();
      }),
    );
  });
});

/** What the writer of a packet reserves. */
function bytesMax(frame: Frame): number {
  switch (frame.type) {
    case 'ping':
      return 1;
    case 'ack':
      return ackBytesMax(frame.ranges.length);
    case 'hello':
      return HELLO_BYTES_MAX;
    case 'request':
    case 'response':
      return fragmentOverheadBytes(frame.callId, frame.offset, frame.total, 0) + frame.data.length;
    case 'request-start': {
      const start = requestStartBytes(frame.callId - frame.firstIncomplete, frame.remainingMs);
      return fragmentOverheadBytes(frame.callId, 0, frame.total, start) + frame.data.length;
    }
    case 'response-start': {
      const start = responseStartBytes(frame.heldUs);
      return fragmentOverheadBytes(frame.callId, 0, frame.total, start) + frame.data.length;
    }
    case 'cancel':
    case 'cancelled':
      return cancelBytesMax(frame.ranges.length);
    case 'working':
    case 'unknown':
      return CALL_FRAME_BYTES_MAX;
    case 'grant':
      return GRANT_BYTES_MAX;
    case 'path-challenge':
    case 'path-response':
      return PATH_FRAME_BYTES;
    default:
      return frame satisfies never;
  }
}
