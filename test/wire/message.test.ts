import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Executed, RpcErrorCode } from '../../src/base/error-code.ts';
import {
  type ErrorBody,
  encodeErrorBody,
  parseErrorBody,
  parseRequest,
  requestHead,
} from '../../src/wire/message.ts';
import { fromHex, toForm, toHex, vectors } from './vectors.ts';

describe('requests', () => {
  test.each(vectors.messages.requests)('$name, both ways', ({ hex, method, body }) => {
    expect(toHex(Buffer.concat([requestHead(method), fromHex(body)]))).toBe(hex);
    expect(toForm(parseRequest(fromHex(hex)))).toEqual({ method, body });
  });

  // P-34
  test.each(vectors.messages.malformedRequests)('refused: $name', ({ hex }) => {
    expect(parseRequest(fromHex(hex))).toBeUndefined();
  });

  test('a name that cannot be sent is an error of the caller', () => {
    expect(() => requestHead('')).toThrow(RangeError);
    expect(() => requestHead('ü'.repeat(128))).toThrow(/255 bytes, not 256/);
  });

  test('a name that begins with a byte order mark is another name', () => {
    expect(parseRequest(requestHead('\ufeffm'))?.method).toBe('\ufeffm');
  });

  test('every name and body come back', () => {
    const letter = fc.oneof(fc.integer({ min: 0, max: 0xd7ff }), fc.integer({ min: 0xe000, max: 0x10ffff }));
    const name = fc
      .array(letter, { minLength: 1, maxLength: 60 })
      .map((codes) => String.fromCodePoint(...codes));
    fc.assert(
      fc.property(name, fc.uint8Array(), (method, body) => {
        expect(toForm(parseRequest(Buffer.concat([requestHead(method), body])))).toEqual({
          method,
          body: toHex(body),
        });
      }),
    );
  });

  // P-13
  test('arbitrary bytes never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const request = parseRequest(bytes);
        if (request !== undefined) expect(request.body.length).toBeLessThan(bytes.length);
      }),
    );
  });
});

describe('error bodies', () => {
  test.each(vectors.messages.errors)('$name, both ways', ({ hex, error }) => {
    expect(toHex(encodeErrorBody(error as unknown as ErrorBody))).toBe(hex);
    expect(parseErrorBody(fromHex(hex))).toEqual(error);
  });

  // P-35
  test.each(vectors.messages.malformedErrors)('$name counts as BAD_MESSAGE', ({ hex }) => {
    expect(parseErrorBody(fromHex(hex))).toEqual({ code: 'BAD_MESSAGE', executed: 'unknown' });
  });

  // P-13, P-35
  test('arbitrary bytes never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        expect(['no', 'yes', 'unknown']).toContain(parseErrorBody(bytes).executed);
      }),
      { numRuns: 500 },
    );
  });

  test('a handler that says too much is cut short, on both sides', () => {
    const executed: Executed = 'yes';
    const code: RpcErrorCode = 'HANDLER_FAILED';
    const detail = { code: 'c'.repeat(5000), message: 'm'.repeat(5000) };
    const parsed = parseErrorBody(encodeErrorBody({ code, executed, detail }));
    expect(parsed.detail).toEqual({ code: 'c'.repeat(1000), message: 'm'.repeat(1000) });
  });
});
