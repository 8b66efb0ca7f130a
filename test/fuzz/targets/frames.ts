// The inside of a packet: malformed anywhere is malformed; what is understood is within its bounds, and is understood
// alike when it is written again.

import { decodeFrames, type Frame, MAX_RANGES_PER_FRAME } from '../../../src/wire/frame.ts';
import { encodeFrame, fromHex, vectors } from '../../wire/vectors.ts';
import { assert, type FuzzTarget } from '../target.ts';

/** What is written again has at most so many bytes of messages: a piece's total may be 2^53. */
const TOTAL_MAX = 4096;

export const target: FuzzTarget = {
  maxBytes: 512,
  covers: ['wire/frame.ts'],
  seeds: [...vectors.frames.good, ...vectors.frames.malformed].map(({ hex }) => fromHex(hex)),
  run(input) {
    const frames = decodeFrames(input);
    if (frames === undefined) return;
    assert(frames.length <= input.length, 'no byte gives two frames');
    for (const frame of frames) check(frame);
  },
};

function check(frame: Frame): void {
  if ('ranges' in frame) {
    assert(frame.ranges.length > 0 && frame.ranges.length <= MAX_RANGES_PER_FRAME, 'ranges are bounded');
    for (const [first, last] of frame.ranges) {
      assert(first >= 0 && first <= last && Number.isSafeInteger(last), 'a range is one');
    }
  }
  if ('data' in frame) {
    assert(frame.data.length <= frame.total, 'no piece is longer than its message');
    if (frame.total > TOTAL_MAX) return;
  }
  // One in 8 is enough: writing is much slower than reading.
  if ((('callId' in frame ? frame.callId : 0) & 7) !== 0) return;
  const again = decodeFrames(encodeFrame(frame));
  assert(again?.length === 1 && again[0]!.type === frame.type, 'a frame is read as it was written');
}
