// The keys of one established session: ChaCha20-Poly1305 (RFC 8439) with the packet number as nonce and the header as
// associated data, and the window that lets each packet in once. Sealed and opened in place; nothing is allocated but
// views. The counters of a key end at 2^53, long after the key must not be used any more.

import {
  crypto_aead_chacha20poly1305_ietf_decrypt,
  crypto_aead_chacha20poly1305_ietf_encrypt,
  sodium_memcmp,
  sodium_memzero,
} from 'sodium-native';
import { DATA_HEADER_BYTES, RESET_TOKEN_BYTES, writeDataHeader } from '../wire/datagram.ts';
import type { DirectionalKeys } from './noise-ik.ts';
import type { Opened, SessionKeys } from './protection.ts';
import { ReplayWindow } from './replay-window.ts';

export const TAG_BYTES = 16;

/** One session's keys. */
export class SealedKeys implements SessionKeys {
  readonly headerBytes: number = DATA_HEADER_BYTES;
  readonly trailerBytes: number = TAG_BYTES;
  readonly #remoteSession: number;
  readonly #resetToken: Uint8Array;
  readonly #window = new ReplayWindow();
  #keys: DirectionalKeys | undefined;

  /** `resetToken`: by which the other end tells that it has forgotten the session; a responder's `keys` come later. */
  constructor(remoteSession: number, resetToken: Uint8Array, keys?: DirectionalKeys) {
    this.#remoteSession = remoteSession;
    this.#resetToken = Uint8Array.from(resetToken);
    this.#keys = keys;
  }

  /** The handshake is complete. */
  set keys(keys: DirectionalKeys) {
    this.#keys = keys;
  }

  seal(buffer: Uint8Array, framesEnd: number, packetNumber: number): Uint8Array {
    const end = framesEnd + TAG_BYTES;
    writeDataHeader(buffer, this.#remoteSession, packetNumber);
    crypto_aead_chacha20poly1305_ietf_encrypt(
      buffer.subarray(DATA_HEADER_BYTES, end),
      buffer.subarray(DATA_HEADER_BYTES, framesEnd),
      buffer.subarray(0, DATA_HEADER_BYTES),
      null,
      nonceOf(packetNumber),
      // Nothing is sent in a session before its handshake is complete.
      this.#keys!.send,
    );
    return buffer.subarray(0, end);
  }

  open(datagram: Uint8Array, packetNumber: number): Opened | 'seen' | 'forged' {
    const framesEnd = datagram.length - TAG_BYTES;
    if (framesEnd < DATA_HEADER_BYTES || this.#keys === undefined) return 'forged';
    // P-9
    if (!this.#window.accepts(packetNumber)) return 'seen';
    const frames = datagram.subarray(DATA_HEADER_BYTES, framesEnd);
    try {
      crypto_aead_chacha20poly1305_ietf_decrypt(
        frames,
        null,
        datagram.subarray(DATA_HEADER_BYTES),
        datagram.subarray(0, DATA_HEADER_BYTES),
        nonceOf(packetNumber),
        this.#keys.receive,
      );
    } catch {
      return 'forged';
    }
    this.#window.add(packetNumber);
    return { packetNumber, frames };
  }

  isResetToken(token: Uint8Array): boolean {
    return token.length === RESET_TOKEN_BYTES && sodium_memcmp(token, this.#resetToken);
  }

  // P-129
  wipe(): void {
    if (this.#keys === undefined) return;
    sodium_memzero(this.#keys.send);
    sodium_memzero(this.#keys.receive);
    this.#keys = undefined;
  }
}

/** Four zero bytes, then the number, little-endian (Noise, section 12.3). The one buffer for all of them. */
function nonceOf(packetNumber: number): Uint8Array {
  let low = packetNumber % TWO_32;
  let high = (packetNumber - low) / TWO_32;
  for (let at = 4; at < 8; at++) {
    NONCE[at] = low;
    low = Math.floor(low / 256);
    NONCE[at + 4] = high;
    high = Math.floor(high / 256);
  }
  return NONCE;
}

const NONCE = new Uint8Array(12);
const TWO_32 = 2 ** 32;
