import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { describe, expect, test } from 'vitest';
import { SealedKeys, TAG_BYTES } from '../../src/session/sealed-keys.ts';
import { DATA_HEADER_BYTES, writeDataHeader } from '../../src/wire/datagram.ts';

const send = new Uint8Array(32).fill(1);
const receive = new Uint8Array(32).fill(2);
const token = new Uint8Array(16).fill(3);

function ends(): [SealedKeys, SealedKeys] {
  return [
    new SealedKeys(77, token, { send, receive }),
    new SealedKeys(88, token, { send: receive, receive: send }),
  ];
}

function sealed(keys: SealedKeys, text: string, packetNumber: number): Uint8Array {
  const buffer = Buffer.alloc(DATA_HEADER_BYTES + text.length + TAG_BYTES);
  buffer.write(text, DATA_HEADER_BYTES);
  return Uint8Array.from(keys.seal(buffer, DATA_HEADER_BYTES + text.length, packetNumber));
}

describe('the keys of a session', () => {
  test.each([0, 1, 255, 256, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 3, Number.MAX_SAFE_INTEGER])(
    'seal packet %d as @noble does: number little-endian in the nonce, header as associated data',
    (packetNumber) => {
      const [client, server] = ends();
      const datagram = sealed(client, 'frames', packetNumber);
      const header = new Uint8Array(DATA_HEADER_BYTES);
      writeDataHeader(header, 77, packetNumber);
      const nonce = new Uint8Array(12);
      new DataView(nonce.buffer).setBigUint64(4, BigInt(packetNumber), true);
      const expected = chacha20poly1305(send, nonce, header).encrypt(Buffer.from('frames'));
      expect(Buffer.from(datagram)).toEqual(Buffer.concat([header, expected]));
      const opened = server.open(datagram, packetNumber);
      expect(typeof opened === 'string' ? opened : Buffer.from(opened.frames).toString()).toBe('frames');
    },
  );

  // P-129
  test('are overwritten when they are wiped, and open nothing any more', () => {
    const directional = { send: Uint8Array.from(send), receive: Uint8Array.from(receive) };
    const keys = new SealedKeys(77, token, directional);
    const datagram = sealed(new SealedKeys(88, token, { send: receive, receive: send }), 'frames', 1);
    keys.wipe();
    expect(keys.open(datagram, 1)).toBe('forged');
    expect([directional.send, directional.receive]).toEqual([new Uint8Array(32), new Uint8Array(32)]);
    keys.wipe();
  });

  test('open each packet once', () => {
    const [client, server] = ends();
    const datagram = sealed(client, 'frames', 5);
    const copy = Uint8Array.from(datagram);
    expect(server.open(datagram, 5)).toMatchObject({ packetNumber: 5 });
    expect(server.open(copy, 5)).toBe('seen');
  });

  test('open nothing of which a single bit was changed, and are moved by none of it', () => {
    const [client, server] = ends();
    const datagram = sealed(client, 'frames', 2 ** 40);
    for (let bit = 0; bit < datagram.length * 8; bit++) {
      const forged = Uint8Array.from(datagram);
      forged[bit >> 3]! ^= 1 << (bit & 7);
      expect(server.open(forged, 2 ** 40)).toBe('forged');
    }
    for (let length = 0; length < datagram.length; length++) {
      expect(server.open(datagram.slice(0, length), 2 ** 40)).toBe('forged');
    }
    expect(server.open(sealed(client, 'early', 1), 1)).toMatchObject({ packetNumber: 1 });
    expect(server.open(datagram, 2 ** 40)).toMatchObject({ packetNumber: 2 ** 40 });
  });

  test('do not open what they have sealed themselves', () => {
    const [client] = ends();
    expect(client.open(sealed(client, 'frames', 1), 1)).toBe('forged');
  });

  test('know the token of the other end only', () => {
    const [client] = ends();
    expect(client.isResetToken(token)).toBe(true);
    expect(client.isResetToken(new Uint8Array(16))).toBe(false);
    expect(client.isResetToken(token.subarray(1))).toBe(false);
  });
});
