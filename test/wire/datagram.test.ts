import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  DATA_HEADER_BYTES,
  type DatagramHeader,
  INIT_HEADER_BYTES,
  NO_SESSION_BYTES,
  noSessionDatagram,
  RESET_TOKEN_BYTES,
  RESP_HEADER_BYTES,
  readHeader,
  versionDatagram,
  writeCookieHeader,
  writeDataHeader,
  writeInitHeader,
  writeRespHeader,
} from '../../src/wire/datagram.ts';
import { decodeFrames } from '../../src/wire/frame.ts';
import { encodeFrame, fromForm, fromHex, toForm, toHex, vectors } from './vectors.ts';

describe('datagrams of the vectors', () => {
  test.each([...vectors.datagrams.good, ...vectors.datagrams.read])('$name: read', (vector) => {
    const datagram = fromHex(vector.hex);
    expect(toForm(readHeader(datagram))).toEqual(vector.header);
    if (vector.frames === undefined) return;
    const headerBytes = vector.header.kind === 'init' ? INIT_HEADER_BYTES : DATA_HEADER_BYTES;
    expect(toForm(decodeFrames(datagram.subarray(headerBytes)))).toEqual(vector.frames);
  });

  test.each(vectors.datagrams.good)('$name: written', ({ hex, header, frames = [] }) => {
    const outside = encodeHeader(header as unknown as DatagramHeader);
    const inside = frames.map((form) => encodeFrame(fromForm(form)));
    expect(toHex(Buffer.concat([outside, ...inside]))).toBe(hex);
  });

  // P-2, P-11
  test.each(vectors.datagrams.malformed)('$verdict: $name', ({ hex, verdict }) => {
    expect(readHeader(fromHex(hex))).toEqual({ kind: verdict });
  });
});

describe('datagram headers in general', () => {
  const sessionId = fc.maxSafeNat().map((id) => Math.max(1, id));

  test('whatever is written is read back', () => {
    fc.assert(
      fc.property(sessionId, sessionId, fc.maxSafeNat(), (a, b, packetNumber) => {
        for (const header of [
          { kind: 'init', from: a },
          { kind: 'resp', to: a, from: b },
          { kind: 'data', to: a, packetNumber },
        ] as const) {
          expect(readHeader(encodeHeader(header))).toEqual(header);
        }
      }),
    );
  });

  // P-13
  test('arbitrary bytes never throw', () => {
    const plausible = fc
      .tuple(fc.constantFrom(0x10, 0x11, 0x12, 0x13, 0x14), fc.uint8Array({ maxLength: 40 }))
      .map(([first, rest]) => Uint8Array.of(first, ...rest));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 40 }), plausible), (bytes) => {
        const header = readHeader(bytes);
        if (header.kind === 'init') expect(header.from).toBeGreaterThan(0);
        if (header.kind === 'data') expect(header.packetNumber).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 1000 },
    );
  });

  // P-13
  test('damaged datagrams never throw', () => {
    const good = fc.constantFrom(...vectors.datagrams.good.map(({ hex }) => hex));
    fc.assert(
      fc.property(good, fc.nat(), fc.nat(255), fc.nat(), (hex, at, value, cut) => {
        const datagram = fromHex(hex);
        datagram[at % datagram.length] = value;
        for (const damaged of [datagram, datagram.subarray(0, cut % datagram.length)]) {
          const header = readHeader(damaged);
          if (header.kind === 'data') decodeFrames(damaged.subarray(DATA_HEADER_BYTES));
          if (header.kind === 'init') decodeFrames(damaged.subarray(INIT_HEADER_BYTES));
        }
      }),
    );
  });
});

describe('answers to datagrams of nobody', () => {
  // P-3
  test('the answer to an unknown version is itself never answered with one, and is tiny', () => {
    expect(readHeader(versionDatagram()).kind).toBe('version');
    expect(versionDatagram().length).toBeLessThan(DATA_HEADER_BYTES);
  });

  // P-7
  test('NOSESS is shorter than any DATA that carries a frame', () => {
    const bytes = noSessionDatagram(7, new Uint8Array(RESET_TOKEN_BYTES));
    expect(bytes.length).toBe(NO_SESSION_BYTES);
    expect(bytes.length).toBeLessThan(DATA_HEADER_BYTES + 16 + 1);
  });
});

function encodeHeader(header: DatagramHeader): Uint8Array {
  const target = new Uint8Array(32);
  switch (header.kind) {
    case 'init':
      return target.slice(0, writeInitHeader(target, header.from));
    case 'resp':
      expect(writeRespHeader(target, header.to, header.from)).toBe(RESP_HEADER_BYTES);
      return target.slice(0, RESP_HEADER_BYTES);
    case 'data':
      return target.slice(0, writeDataHeader(target, header.to, header.packetNumber));
    case 'no-session': {
      const token = header.token as unknown;
      return noSessionDatagram(header.to, typeof token === 'string' ? fromHex(token) : header.token);
    }
    case 'cookie':
      return target.slice(0, writeCookieHeader(target, header.to));
    case 'version':
      return versionDatagram();
    case 'unknown-version':
    case 'malformed':
      throw new RangeError('not a datagram that is written');
    default:
      return header satisfies never;
  }
}
