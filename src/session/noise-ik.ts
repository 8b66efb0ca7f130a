// The handshake Noise_IK_25519_ChaChaPoly_BLAKE2b (noiseprotocol.org, revision 34), whatever carries its two messages.
// The state machine is noise-handshake's; this keeps its traps away from everybody else: what it throws becomes
// `undefined`, what it overwrites is a copy, and a forged answer does not use an attempt up. What comes after the
// handshake is sealed elsewhere: the library's own counter ends at 2^32.

import NoiseState, { type NoiseKeyPair } from 'noise-handshake';
import { crypto_scalarmult_base, sodium_memzero } from 'sodium-native';
import { type Identity, KEY_BYTES } from './identity.ts';

const TAG_BYTES = 16;

/** What message 1 is longer than its payload: ephemeral key, static key and its tag, tag of the payload. */
export const MESSAGE_1_OVERHEAD_BYTES: number = KEY_BYTES + KEY_BYTES + TAG_BYTES + TAG_BYTES;
/** What stands before the payload in message 1; the rest of the overhead is the tag behind it. */
export const MESSAGE_1_HEADER_BYTES: number = MESSAGE_1_OVERHEAD_BYTES - TAG_BYTES;
/** What message 2 is longer than its payload: ephemeral key, tag. */
export const MESSAGE_2_OVERHEAD_BYTES: number = KEY_BYTES + TAG_BYTES;
/** What stands before the payload in message 2. */
export const MESSAGE_2_HEADER_BYTES: number = KEY_BYTES;

/** Noise messages are no longer than this. */
export const MESSAGE_BYTES_MAX = 65_535;

/** The two keys that a handshake gives, of 32 bytes each, for ChaCha20-Poly1305 (RFC 8439). */
export interface DirectionalKeys {
  readonly send: Uint8Array;
  readonly receive: Uint8Array;
}

/** A handshake begun: message 1 is made, message 2 has not come. */
export interface NoiseInitiation {
  readonly message: Uint8Array;
  /** Takes message 2. `undefined`: it is not from the owner of the key; the next one may be. */
  complete(message: Uint8Array): { readonly payload: Uint8Array; readonly keys: DirectionalKeys } | undefined;
}

/** Message 1, opened: who sent it, and what. */
export interface NoiseResponse {
  /** Belongs to who sent message 1, or to somebody who has recorded it. */
  readonly initiatorKey: Uint8Array;
  /** Different in each handshake. */
  readonly ephemeralKey: Uint8Array;
  readonly payload: Uint8Array;
  /** Makes message 2; only once. `ephemeralSecret`: 32 fresh random bytes. */
  answer(
    ephemeralSecret: Uint8Array,
    payload: Uint8Array,
  ): { readonly message: Uint8Array; readonly keys: DirectionalKeys };
}

/**
 * Makes message 1. Both sides must name the same `prologue`. `ephemeralSecret`: 32 fresh random bytes.
 * @throws Error when nobody can have the responder's key: `isUsableKey` says so before.
 */
export function initiateNoise(
  identity: Identity,
  responderKey: Uint8Array,
  prologue: Uint8Array,
  ephemeralSecret: Uint8Array,
  payload: Uint8Array,
): NoiseInitiation {
  const state = new NoiseState('IK', true, ownKeyPair(identity));
  state.initialise(prologue, responderKey);
  state.e = keyPairOf(ephemeralSecret);
  const message = state.send(payload);
  return { message, complete: (answer) => complete(copyOf(state), answer) };
}

function complete(state: NoiseState, message: Uint8Array): ReturnType<NoiseInitiation['complete']> {
  try {
    const payload = state.recv(Buffer.from(message));
    return { payload, keys: keysOf(state) };
  } catch {
    return undefined;
  }
}

/** Takes message 1; the bytes are left as they are. `undefined`: it was not made for this identity. */
export function respondNoise(
  identity: Identity,
  prologue: Uint8Array,
  message: Uint8Array,
): NoiseResponse | undefined {
  const state = new NoiseState('IK', false, ownKeyPair(identity));
  try {
    state.initialise(prologue);
    const payload = state.recv(Buffer.from(message));
    return {
      initiatorKey: Uint8Array.from(state.rs!),
      ephemeralKey: Uint8Array.from(message.subarray(0, KEY_BYTES)),
      payload,
      answer: (ephemeralSecret, answerPayload) => {
        state.e = keyPairOf(ephemeralSecret);
        return { message: state.send(answerPayload), keys: keysOf(state) };
      },
    };
  } catch {
    return undefined;
  }
}

/** Without the multiplication that making a pair costs. */
function ownKeyPair(identity: Identity): NoiseKeyPair {
  return { publicKey: Buffer.from(identity.publicKey), secretKey: Buffer.from(identity.revealSecretKey()) };
}

function keyPairOf(secretKey: Uint8Array): NoiseKeyPair {
  const publicKey = Buffer.alloc(KEY_BYTES);
  crypto_scalarmult_base(publicKey, secretKey);
  // The library takes nothing but Buffers.
  return { publicKey, secretKey: Buffer.from(secretKey) };
}

/** The keys are views of one buffer with the chaining keys: copied out of it, and the rest wiped. */
function keysOf({ tx, rx }: NoiseState): DirectionalKeys {
  const keys = { send: Uint8Array.from(tx!), receive: Uint8Array.from(rx!) };
  sodium_memzero(tx!);
  sodium_memzero(rx!);
  return keys;
}

/** A state as it is now, with its own copies of all that reading a message changes or wipes. */
function copyOf(state: NoiseState): NoiseState {
  const { e, key } = state;
  return Object.assign(Object.create(NoiseState.prototype) as NoiseState, state, {
    handshake: [...state.handshake],
    digest: Buffer.from(state.digest),
    chainingKey: Buffer.from(state.chainingKey),
    key: key && Buffer.from(key),
    e: e && { publicKey: Buffer.from(e.publicKey), secretKey: Buffer.from(e.secretKey) },
  });
}
