import { describe, expect, test } from 'vitest';
import { plainProtection } from '../../src/session/plain.ts';
import type { Acceptance, SessionKeys } from '../../src/session/protection.ts';
import { readHeader } from '../../src/wire/datagram.ts';

const FRAMES = Uint8Array.of(1, 2, 3, 4);

/** A buffer with frames where `sealer` wants them, sealed. */
function seal(
  sealer: { readonly headerBytes: number; readonly trailerBytes: number },
  finish: (buffer: Uint8Array, framesEnd: number) => Uint8Array,
): Uint8Array {
  const buffer = new Uint8Array(1200);
  buffer.set(FRAMES, sealer.headerBytes);
  return finish(buffer, sealer.headerBytes + FRAMES.length);
}

function establish(): { client: SessionKeys; server: SessionKeys; acceptance: Acceptance } {
  const initiation = plainProtection().initiate(11);
  const init = seal(initiation, (buffer, end) => initiation.seal(buffer, end));
  const acceptance = plainProtection().accept(init, 11, 22)!;
  const resp = seal(acceptance, (buffer, end) => acceptance.seal(buffer, end));
  const completed = initiation.complete(resp, 22)!;
  expect([...completed.opened.frames]).toEqual([...FRAMES]);
  expect(completed.opened.packetNumber).toBe(0);
  return { client: completed.keys, server: acceptance.keys, acceptance };
}

describe('plain sessions', () => {
  test('INIT names the session that the answer goes to, RESP both', () => {
    const initiation = plainProtection().initiate(11);
    const init = seal(initiation, (buffer, end) => initiation.seal(buffer, end));
    expect(readHeader(init)).toEqual({ kind: 'init', from: 11 });
    const acceptance = plainProtection().accept(init, 11, 22)!;
    expect([...acceptance.opened.frames]).toEqual([...FRAMES]);
    // The first packet of each side is number 0 of its packet numbers.
    expect(acceptance.opened.packetNumber).toBe(0);
    const resp = seal(acceptance, (buffer, end) => acceptance.seal(buffer, end));
    expect(readHeader(resp)).toEqual({ kind: 'resp', to: 11, from: 22 });
  });

  test('DATA is addressed to the session of the other side, in both directions', () => {
    const { client, server } = establish();
    const up = seal(client, (buffer, end) => client.seal(buffer, end, 5));
    expect(readHeader(up)).toEqual({ kind: 'data', to: 22, packetNumber: 5 });
    expect([...server.open(up, 5)!.frames]).toEqual([...FRAMES]);
    const down = seal(server, (buffer, end) => server.seal(buffer, end, 6));
    expect(readHeader(down)).toEqual({ kind: 'data', to: 11, packetNumber: 6 });
    expect(client.open(down, 6)).toMatchObject({ packetNumber: 6 });
  });

  test('frames are opened as views, without a copy', () => {
    const { client, server } = establish();
    const datagram = seal(client, (buffer, end) => client.seal(buffer, end, 1));
    expect(server.open(datagram, 1)!.frames.buffer).toBe(datagram.buffer);
  });

  // P-8
  test('a reset is believed only with the token of that session', () => {
    const { resetToken, verifiesReset } = plainProtection();
    expect(resetToken(22)).toHaveLength(8);
    expect(verifiesReset(22, resetToken(22))).toBe(true);
    expect(verifiesReset(22, resetToken(23))).toBe(false);
    expect(verifiesReset(22, new Uint8Array(8))).toBe(false);
    expect(verifiesReset(22, new Uint8Array(0))).toBe(false);
  });
});
