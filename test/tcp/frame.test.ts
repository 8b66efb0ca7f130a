import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  cancelFrame,
  decodeFrame,
  FRAME_HEADER_BYTES,
  FRAME_OVERHEAD_MAX_BYTES,
  type Frame,
  PAYLOAD_MAX_BYTES,
  PING_FRAME,
  PONG_FRAME,
  PREFACE,
  payloadBytes,
} from '../../src/tcp/frame.ts';
import { type Found, FrameReader } from '../../src/tcp/frame-reader.ts';
import { aFrame, encode } from './frames.ts';

describe('a frame', () => {
  test('is decoded as it was encoded, and says its own length', () => {
    fc.assert(
      fc.property(aFrame(), (frame) => {
        const bytes = encode(frame);
        expect(payloadBytes(bytes, 0)).toBe(bytes.length - FRAME_HEADER_BYTES);
        expect(decodeFrame(bytes)).toEqual(frame);
      }),
    );
  });

  test('has no more than the stated bytes before its data', () => {
    const largest = Number.MAX_SAFE_INTEGER;
    const data = new Uint8Array(64 * 1024);
    const frame = {
      type: 'response',
      callId: largest,
      status: 1,
      heldUs: largest,
      total: largest,
      data,
    } as const;
    expect(encode(frame).length).toBe(FRAME_OVERHEAD_MAX_BYTES + data.length);
    expect(payloadBytes(encode(frame), 0)).toBeLessThanOrEqual(PAYLOAD_MAX_BYTES);
  });

  test('that is cut off, or followed by anything where nothing may follow, is malformed', () => {
    for (const frame of [cancelFrame(7), PING_FRAME, PONG_FRAME]) {
      expect(decodeFrame(Uint8Array.of(...frame, 0))).toBeUndefined();
    }
    expect(decodeFrame(cancelFrame(300).subarray(0, FRAME_HEADER_BYTES + 1))).toBeUndefined();
  });

  test.each<[string, number[]]>([
    ['of no type', [0, 0, 0, 0]],
    ['of an unknown type', [0, 0, 1, 7, 1]],
    ['a request without anything', [0, 0, 0, 1]],
    ['a request without a total', [0, 0, 2, 1, 1, 0]],
    ['a request that brings nothing of its message', [0, 0, 3, 1, 1, 0, 5]],
    ['a request that brings more than its message has', [0, 0, 4, 1, 1, 0, 0, 9]],
    ['a response without a total', [0, 0, 3, 2, 1, 0, 0]],
    ['a response that brings nothing of its message', [0, 0, 4, 2, 1, 0, 0, 5]],
    ['a continuation of nothing', [0, 0, 0, 3]],
    ['a continuation without data', [0, 0, 1, 3, 1]],
    ['a cancel of nothing', [0, 0, 0, 4]],
    ['a number above 2^53', [0, 0, 8, 4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
  ])('%s is malformed', (_name, bytes) => {
    expect(decodeFrame(Uint8Array.from(bytes))).toBeUndefined();
  });

  test('of any bytes is decoded or malformed, never an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: FRAME_HEADER_BYTES, maxLength: 40 }), (bytes) => {
        bytes[3] = bytes[3]! % 8;
        decodeFrame(bytes);
      }),
    );
  });
});

describe('a stream', () => {
  test('gives the same frames, however it is cut', () => {
    const cuts = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 });
    fc.assert(
      fc.property(fc.array(aFrame(), { maxLength: 20 }), cuts, (frames, lengths) => {
        const stream = Buffer.concat([PREFACE, ...frames.map(encode)]);
        const chunks: Uint8Array[] = [];
        for (let at = 0, i = 0; at < stream.length; i++) {
          const end = at + lengths[i % lengths.length]!;
          chunks.push(Uint8Array.from(stream.subarray(at, end)));
          at = end;
        }
        expect(read(chunks)).toEqual(['preface', ...frames]);
      }),
    );
  });

  test('of single bytes costs no more than its bytes', () => {
    const frame = { type: 'more', callId: 1, data: new Uint8Array(64 * 1024).fill(1) } as const;
    const stream = Buffer.concat([PREFACE, encode(frame)]);
    expect(read(Array.from(stream, (byte) => Uint8Array.of(byte)))).toEqual(['preface', frame]);
  });

  test('of another protocol is known by its first wrong byte', () => {
    expect(read([Buffer.from('G')])).toEqual(['foreign']);
    expect(read([PREFACE.subarray(0, 7), Uint8Array.of(2)])).toEqual(['foreign']);
    expect(read([Buffer.from('nvmtcq')])).toEqual(['foreign']);
    expect(read([Buffer.from('nvmtcp')])).toEqual([]);
  });

  test('with a frame longer than any is malformed before a byte of it has come', () => {
    const length = PAYLOAD_MAX_BYTES + 1;
    const header = [length >>> 16, (length >>> 8) & 0xff, length & 0xff, 3];
    expect(read([PREFACE, Uint8Array.from(header)])).toEqual(['preface', 'malformed']);
    expect(read([PREFACE, ...header.map((byte) => Uint8Array.of(byte))])).toEqual(['preface', 'malformed']);
    expect(read([Buffer.concat([PREFACE, Uint8Array.of(255, 255, 255, 3)])])).toEqual([
      'preface',
      'malformed',
    ]);
  });

  test('with a malformed frame is malformed from there', () => {
    expect(read([Buffer.concat([PREFACE, PING_FRAME, Uint8Array.of(0, 0, 0, 99)])])).toEqual([
      'preface',
      { type: 'ping' },
      'malformed',
    ]);
  });
});

/** Everything up to the end, or to what ends the stream. */
function read(chunks: readonly Uint8Array[]): Found[] {
  const reader = new FrameReader();
  const all: Found[] = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let found = reader.next(); found !== undefined; found = reader.next()) {
      all.push(typeof found === 'object' ? withOwnBytes(found) : found);
      if (found === 'foreign' || found === 'malformed') return all;
    }
  }
  return all;
}

function withOwnBytes(frame: Frame): Frame {
  return 'data' in frame ? { ...frame, data: Uint8Array.from(frame.data) } : frame;
}
