// Who an endpoint is: an X25519 key pair that lasts as long as whoever it belongs to, and what follows from it. Keys
// are made and kept elsewhere: randomness is injected, files are the command line's.

import { crypto_generichash, crypto_scalarmult, crypto_scalarmult_base } from 'sodium-native';
import { base32Encode } from '../base/base32.ts';
import { base64urlDecode, base64urlEncode } from '../base/base64url.ts';
import type { Random } from '../base/random.ts';

export const KEY_BYTES = 32;

/** A key pair whose secret half no printing, logging or JSON shows. */
export class Identity {
  readonly publicKey: Uint8Array;
  readonly #secretKey: Uint8Array;

  /** @throws RangeError when `secretKey` is not of 32 bytes. */
  constructor(secretKey: Uint8Array) {
    if (secretKey.length !== KEY_BYTES) {
      throw new RangeError(`a secret key has ${KEY_BYTES} bytes, not ${secretKey.length}`);
    }
    this.#secretKey = Uint8Array.from(secretKey);
    this.publicKey = new Uint8Array(KEY_BYTES);
    crypto_scalarmult_base(this.publicKey, this.#secretKey);
  }

  /** The public half as addresses and lists of clients have it: 43 characters. */
  get name(): string {
    return formatKey(this.publicKey);
  }

  /** For a key file or a handshake, and nobody else. A copy. */
  revealSecretKey(): Uint8Array {
    return Uint8Array.from(this.#secretKey);
  }

  /** Another secret of 16 to 64 bytes that follows from this one, for the purpose named: BLAKE2b, keyed. */
  deriveSecret(purpose: string, sizeBytes: number): Uint8Array {
    const secret = new Uint8Array(sizeBytes);
    crypto_generichash(secret, Buffer.from(`nevermind ${purpose}`), this.#secretKey);
    return secret;
  }
}

/** A swissnum that follows from an identity: an address stays the same as long as the identity does. */
export function swissnumOf(identity: Identity): string {
  return base32Encode(identity.deriveSecret('swissnum', 16));
}

/** A fresh one. */
export function generateIdentity(random: Random): Identity {
  return new Identity(random.bytes(KEY_BYTES));
}

/** A public key as text: base64url, 43 characters. */
export function formatKey(publicKey: Uint8Array): string {
  return base64urlEncode(publicKey);
}

/** The reverse of {@link formatKey}; `undefined` when it is no key. */
export function parseKey(text: string): Uint8Array | undefined {
  const key = base64urlDecode(text);
  return key?.length === KEY_BYTES ? key : undefined;
}

/** False for the few keys of low order, which make every secret shared with them known to everybody (RFC 7748, 6.1). */
export function isUsableKey(publicKey: Uint8Array): boolean {
  try {
    crypto_scalarmult(new Uint8Array(KEY_BYTES), new Uint8Array(KEY_BYTES).fill(1), publicKey);
    return publicKey.length === KEY_BYTES;
  } catch {
    return false;
  }
}
