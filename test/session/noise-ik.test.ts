import { readFileSync } from 'node:fs';
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { describe, expect, test } from 'vitest';
import { Identity } from '../../src/session/identity.ts';
import { initiateNoise, respondNoise } from '../../src/session/noise-ik.ts';

const VECTORS = JSON.parse(
  readFileSync(new URL('../../spec/vectors/noise-ik.json', import.meta.url), 'utf8'),
);

const CLIENT = new Identity(new Uint8Array(32).fill(3));
const SERVER = new Identity(new Uint8Array(32).fill(5));
const PROLOGUE = Buffer.from('test');
const secret = (value: number) => new Uint8Array(32).fill(value);
const hello = Buffer.from('hello');
const well = Buffer.from('well, hello');

const begin = (payload: Uint8Array = hello) =>
  initiateNoise(CLIENT, SERVER.publicKey, PROLOGUE, secret(7), payload);

describe('a handshake', () => {
  test('gives both sides the same keys, each other’s payload, and the responder the initiator’s key', () => {
    const initiation = begin();
    const response = respondNoise(SERVER, PROLOGUE, initiation.message)!;
    expect(Buffer.from(response.payload)).toEqual(hello);
    expect(response.initiatorKey).toEqual(CLIENT.publicKey);
    const answer = response.answer(secret(9), well);
    const completed = initiation.complete(answer.message)!;
    expect(Buffer.from(completed.payload)).toEqual(well);
    expect(completed.keys.send).toEqual(answer.keys.receive);
    expect(completed.keys.receive).toEqual(answer.keys.send);
    expect(completed.keys.send).not.toEqual(completed.keys.receive);
  });

  test('leaves the bytes that it reads as they were', () => {
    const initiation = begin();
    const message = Buffer.from(initiation.message);
    const response = respondNoise(SERVER, PROLOGUE, message)!;
    const answer = response.answer(secret(9), well);
    const answered = Buffer.from(answer.message);
    initiation.complete(answered);
    expect(message).toEqual(Buffer.from(initiation.message));
    expect(answered).toEqual(Buffer.from(answer.message));
  });

  test('survives any number of forged answers, and an answer taken twice', () => {
    const initiation = begin();
    const { message } = respondNoise(SERVER, PROLOGUE, initiation.message)!.answer(secret(9), well);
    for (let at = 0; at < message.length; at++) {
      const forged = Buffer.from(message);
      forged[at]! ^= 1;
      expect(initiation.complete(forged)).toBeUndefined();
    }
    expect(initiation.complete(new Uint8Array(0))).toBeUndefined();
    expect(initiation.complete(secret(1))).toBeUndefined();
    expect(initiation.complete(message)).toEqual(initiation.complete(message));
    expect(initiation.complete(message)).toBeDefined();
  });

  test('is refused by a responder when any bit of message 1 is wrong, or it is too short', () => {
    const { message } = begin();
    for (let at = 0; at < message.length; at++) {
      const forged = Buffer.from(message);
      forged[at]! ^= 1;
      expect(respondNoise(SERVER, PROLOGUE, forged)).toBeUndefined();
    }
    for (let length = 0; length < message.length; length++) {
      expect(respondNoise(SERVER, PROLOGUE, message.subarray(0, length))).toBeUndefined();
    }
  });

  test('is refused under another prologue, and by another identity', () => {
    const { message } = begin();
    expect(respondNoise(SERVER, Buffer.from('best'), message)).toBeUndefined();
    expect(respondNoise(CLIENT, PROLOGUE, message)).toBeUndefined();
  });
});

test('the published vector of Noise_IK_25519_ChaChaPoly_BLAKE2b, both messages and the keys', () => {
  const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));
  const hex = (value: Uint8Array): string => Buffer.from(value).toString('hex');
  const { prologue, handshake, transport } = VECTORS;
  const initiator = new Identity(bytes(VECTORS.initStatic));
  const responder = new Identity(bytes(VECTORS.respStatic));
  expect(hex(responder.publicKey)).toBe(VECTORS.respStaticPublic);
  const initiation = initiateNoise(
    initiator,
    responder.publicKey,
    bytes(prologue),
    bytes(VECTORS.initEphemeral),
    bytes(handshake[0].payload),
  );
  expect(hex(initiation.message)).toBe(handshake[0].message);
  const response = respondNoise(responder, bytes(prologue), initiation.message)!;
  expect(hex(response.payload)).toBe(handshake[0].payload);
  expect(response.initiatorKey).toEqual(initiator.publicKey);
  const answer = response.answer(bytes(VECTORS.respEphemeral), bytes(handshake[1].payload));
  expect(hex(answer.message)).toBe(handshake[1].message);
  const { keys } = initiation.complete(answer.message)!;
  for (const { by, counter, payload, message } of transport) {
    const nonce = new Uint8Array(12);
    nonce[4] = counter;
    const [sent, received] =
      by === 'initiator' ? [keys.send, answer.keys.receive] : [answer.keys.send, keys.receive];
    expect(hex(chacha20poly1305(sent, nonce).encrypt(bytes(payload)))).toBe(message);
    expect(received).toEqual(sent);
  }
});
