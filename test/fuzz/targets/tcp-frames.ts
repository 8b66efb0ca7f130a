// A stream of bytes cut into frames, in pieces of any size: the same frames as in one piece.

import {
  cancelFrame,
  FRAME_HEADER_BYTES,
  PAYLOAD_MAX_BYTES,
  PING_FRAME,
  PREFACE,
  writeMore,
  writeRequest,
  writeResponse,
} from '../../../src/tcp/frame.ts';
import { type Found, FrameReader } from '../../../src/tcp/frame-reader.ts';
import { assert, type FuzzTarget } from '../target.ts';

export const target: FuzzTarget = {
  maxBytes: 1024,
  covers: ['tcp/frame.ts', 'tcp/frame-reader.ts'],
  seeds: [
    stream(PING_FRAME, cancelFrame(7)),
    stream(frame((bytes) => writeRequest(bytes, 0, 1, 1000, 5, 5), 5)),
    stream(
      frame((bytes) => writeResponse(bytes, 0, 1, 0, 10, 5, 3), 3),
      frame((bytes) => writeMore(bytes, 0, 1, 2), 2),
    ),
  ],
  dictionary: [PREFACE],
  run(input) {
    // The first byte says how large the pieces are.
    const step = 1 + (input[0] ?? 0);
    const whole = read(input, input.length);
    const inPieces = read(input, step);
    assert(whole.length === inPieces.length, 'pieces make no difference');
    whole.forEach((found, index) => {
      assert(kindOf(found) === kindOf(inPieces[index]), 'pieces make no difference to a frame');
      if (typeof found === 'object' && 'data' in found) {
        assert(found.data.length <= PAYLOAD_MAX_BYTES, 'a frame is bounded');
      }
    });
  },
};

function read(input: Uint8Array, step: number): Found[] {
  const reader = new FrameReader();
  const all: Found[] = [];
  for (let at = 1; at < input.length; at += step) {
    reader.push(input.subarray(at, at + step));
    for (let found = reader.next(); found !== undefined; found = reader.next()) {
      all.push(found);
      if (found === 'foreign' || found === 'malformed') return all;
    }
  }
  return all;
}

function kindOf(found: Found): string | undefined {
  return typeof found === 'object' ? found.type : found;
}

function stream(...frames: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat([Uint8Array.of(255), PREFACE, ...frames]));
}

function frame(write: (bytes: Uint8Array) => number, dataBytes: number): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEADER_BYTES + 64);
  return bytes.subarray(0, write(bytes) + dataBytes);
}
