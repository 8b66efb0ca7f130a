// Frames as tests write them: any of them as bytes, and arbitrary ones.

import fc, { type Arbitrary } from 'fast-check';
import {
  cancelFrame,
  FRAME_OVERHEAD_MAX_BYTES,
  type Frame,
  PING_FRAME,
  PONG_FRAME,
  writeMore,
  writeRequest,
  writeResponse,
} from '../../src/tcp/frame.ts';
import { encodeBody } from '../../src/transport/body.ts';
import { requestHead } from '../../src/wire/message.ts';

/** One whole frame. */
export function encode(frame: Frame): Uint8Array {
  switch (frame.type) {
    case 'request': {
      const { callId, remainingMs, total, data } = frame;
      return withData(data, (target) => writeRequest(target, 0, callId, remainingMs, total, data.length));
    }
    case 'response': {
      const { callId, status, heldUs, total, data } = frame;
      return withData(data, (target) => writeResponse(target, 0, callId, status, heldUs, total, data.length));
    }
    case 'more':
      return withData(frame.data, (target) => writeMore(target, 0, frame.callId, frame.data.length));
    case 'cancel':
      return cancelFrame(frame.callId);
    case 'ping':
      return PING_FRAME;
    case 'pong':
      return PONG_FRAME;
    default:
      return frame satisfies never;
  }
}

/** A request in one frame. */
export function requestFrame(callId: number, method: string, body: unknown, remainingMs = 0): Uint8Array {
  const data = Buffer.concat([requestHead(method), ...encodeBody(body)]);
  return encode({ type: 'request', callId, remainingMs, total: data.length, data });
}

export function aFrame(): Arbitrary<Frame> {
  const number = fc.oneof(fc.nat(), fc.maxSafeNat());
  const data = fc.uint8Array({ minLength: 1, maxLength: 100 });
  const piece = fc
    .tuple(fc.uint8Array({ maxLength: 100 }), number)
    .map(([data, more]) => ({ data, total: data.length === 0 ? 0 : data.length + Math.min(more, 2 ** 40) }));
  return fc.oneof(
    fc.tuple(number, number, piece).map(([callId, remainingMs, { data, total }]) => ({
      type: 'request' as const,
      callId,
      remainingMs,
      total,
      data,
    })),
    fc.tuple(number, fc.nat(255), number, piece).map(([callId, status, heldUs, { data, total }]) => ({
      type: 'response' as const,
      callId,
      status,
      heldUs,
      total,
      data,
    })),
    fc.record({ type: fc.constant('more' as const), callId: number, data }),
    fc.record({ type: fc.constant('cancel' as const), callId: number }),
    fc.constantFrom({ type: 'ping' as const }, { type: 'pong' as const }),
  );
}

function withData(data: Uint8Array, write: (target: Uint8Array) => number): Uint8Array {
  const frame = new Uint8Array(FRAME_OVERHEAD_MAX_BYTES + data.length);
  const at = write(frame);
  frame.set(data, at);
  return frame.subarray(0, at + data.length);
}
