// The two codes at the end of a first datagram, as in WireGuard (whitepaper, 5.3 and 5.4.4). mac1 shows that the sender
// knows whom it talks to: who scans without a key hears nothing. mac2 shows that it receives what is sent to its
// address: the key of it is a cookie, which a server under load sends there instead of doing any work.

import {
  crypto_aead_xchacha20poly1305_ietf_decrypt,
  crypto_aead_xchacha20poly1305_ietf_encrypt,
  crypto_generichash,
  sodium_memcmp,
} from 'sodium-native';
import type { Random } from '../base/random.ts';
import { COOKIE_HEADER_BYTES, writeCookieHeader } from '../wire/datagram.ts';
import type { InitSource } from './protection.ts';

export const MAC_BYTES = 16;
/** mac1 and mac2. */
export const MACS_BYTES: number = 2 * MAC_BYTES;

/** A cookie is good for so long at least, and no more than twice as long. */
const COOKIE_SECRET_MS = 120_000;

const NONCE_BYTES = 24;
const SEALED_COOKIE_BYTES = MAC_BYTES + 16;
export const COOKIE_BYTES: number = COOKIE_HEADER_BYTES + NONCE_BYTES + SEALED_COOKIE_BYTES;

/** What can be computed by everybody who knows a public key. */
export class PublicMacs {
  readonly #mac1Key: Uint8Array;
  readonly #cookieKey: Uint8Array;

  constructor(publicKey: Uint8Array) {
    this.#mac1Key = labelled('nevermind mac1', publicKey);
    this.#cookieKey = labelled('nevermind cookie', publicKey);
  }

  /** Writes mac1 of all that stands before `at`. */
  writeMac1(datagram: Uint8Array, at: number): void {
    crypto_generichash(datagram.subarray(at, at + MAC_BYTES), datagram.subarray(0, at), this.#mac1Key);
  }

  hasMac1(datagram: Uint8Array, at: number): boolean {
    return hasMac(datagram, at, this.#mac1Key);
  }

  /** A COOKIE for who has sent an INIT of this mac1; nobody else can make use of it. */
  sealCookie(to: number, cookie: Uint8Array, mac1: Uint8Array, nonce: Uint8Array): Uint8Array {
    const datagram = new Uint8Array(COOKIE_BYTES);
    writeCookieHeader(datagram, to);
    datagram.set(nonce, COOKIE_HEADER_BYTES);
    const sealed = datagram.subarray(COOKIE_HEADER_BYTES + NONCE_BYTES);
    crypto_aead_xchacha20poly1305_ietf_encrypt(sealed, cookie, mac1, null, nonce, this.#cookieKey);
    return datagram;
  }

  /** `undefined` when it does not belong to an INIT of this mac1. */
  openCookie(datagram: Uint8Array, mac1: Uint8Array): Uint8Array | undefined {
    if (datagram.length !== COOKIE_BYTES) return undefined;
    const nonce = datagram.subarray(COOKIE_HEADER_BYTES, COOKIE_HEADER_BYTES + NONCE_BYTES);
    const sealed = datagram.subarray(COOKIE_HEADER_BYTES + NONCE_BYTES);
    const cookie = new Uint8Array(MAC_BYTES);
    try {
      crypto_aead_xchacha20poly1305_ietf_decrypt(cookie, null, sealed, mac1, nonce, this.#cookieKey);
    } catch {
      return undefined;
    }
    return cookie;
  }
}

/** Writes mac2, keyed by a cookie, of all that stands before `at`; zeros without one. */
export function writeMac2(datagram: Uint8Array, at: number, cookie: Uint8Array | undefined): void {
  const mac2 = datagram.subarray(at, at + MAC_BYTES);
  if (cookie === undefined) mac2.fill(0);
  else crypto_generichash(mac2, datagram.subarray(0, at), cookie);
}

/** Whether mac2 is there, right or wrong. */
export function hasMac2(datagram: Uint8Array, at: number): boolean {
  for (let i = at; i < at + MAC_BYTES; i++) if (datagram[i] !== 0) return true;
  return false;
}

/** What cookies of a time are made with. */
interface CookieSecret {
  readonly bytes: Uint8Array;
  readonly fromMs: number;
}

/** The cookies that a server gives to addresses; it remembers none of them. */
export class Cookies {
  readonly #random: Random;
  #secret: CookieSecret | undefined;
  #secretBefore: CookieSecret | undefined;

  constructor(random: Random) {
    this.#random = random;
  }

  /** The cookie of an address now. */
  of(address: InitSource, nowMs: number): Uint8Array {
    return cookieOf(this.#secretNow(nowMs), address);
  }

  /** A COOKIE's nonce. */
  nonce(): Uint8Array {
    return this.#random.bytes(NONCE_BYTES);
  }

  /** Whether mac2 at `at` was made with a cookie of this address. */
  haveMadeMac2(datagram: Uint8Array, at: number, address: InitSource, nowMs: number): boolean {
    if (hasMac(datagram, at, cookieOf(this.#secretNow(nowMs), address))) return true;
    const before = this.#secretBefore;
    if (before === undefined || nowMs - before.fromMs >= 2 * COOKIE_SECRET_MS) return false;
    return hasMac(datagram, at, cookieOf(before.bytes, address));
  }

  #secretNow(nowMs: number): Uint8Array {
    if (this.#secret === undefined || nowMs - this.#secret.fromMs >= COOKIE_SECRET_MS) {
      this.#secretBefore = this.#secret;
      this.#secret = { bytes: this.#random.bytes(32), fromMs: nowMs };
    }
    return this.#secret.bytes;
  }
}

function cookieOf(secret: Uint8Array, { host, port }: InitSource): Uint8Array {
  const cookie = new Uint8Array(MAC_BYTES);
  crypto_generichash(cookie, Buffer.from(`${host} ${port}`), secret);
  return cookie;
}

function hasMac(datagram: Uint8Array, at: number, key: Uint8Array): boolean {
  const expected = new Uint8Array(MAC_BYTES);
  crypto_generichash(expected, datagram.subarray(0, at), key);
  return sodium_memcmp(expected, datagram.subarray(at, at + MAC_BYTES));
}

function labelled(label: string, publicKey: Uint8Array): Uint8Array {
  const key = new Uint8Array(32);
  crypto_generichash(key, Buffer.concat([Buffer.from(label), publicKey]));
  return key;
}
