// Types of what is used of sodium-native and noise-handshake, which come without any.

declare module 'sodium-native' {
  /** Writes ciphertext and 16 bytes of tag to `c`, which may be where `m` is. */
  export function crypto_aead_chacha20poly1305_ietf_encrypt(
    c: Uint8Array,
    m: Uint8Array,
    ad: Uint8Array | null,
    nsec: null,
    npub: Uint8Array,
    k: Uint8Array,
  ): number;
  /** `m` may be where `c` is. @throws when the tag is wrong. */
  export function crypto_aead_chacha20poly1305_ietf_decrypt(
    m: Uint8Array,
    nsec: null,
    c: Uint8Array,
    ad: Uint8Array | null,
    npub: Uint8Array,
    k: Uint8Array,
  ): number;
  export function crypto_aead_xchacha20poly1305_ietf_encrypt(
    c: Uint8Array,
    m: Uint8Array,
    ad: Uint8Array | null,
    nsec: null,
    npub: Uint8Array,
    k: Uint8Array,
  ): number;
  /** @throws when the tag is wrong. */
  export function crypto_aead_xchacha20poly1305_ietf_decrypt(
    m: Uint8Array,
    nsec: null,
    c: Uint8Array,
    ad: Uint8Array | null,
    npub: Uint8Array,
    k: Uint8Array,
  ): number;
  /** BLAKE2b of 16 to 64 bytes, as long as `output`. */
  export function crypto_generichash(output: Uint8Array, input: Uint8Array, key?: Uint8Array): void;
  /** @throws when `publicKey` is of low order. */
  export function crypto_scalarmult(shared: Uint8Array, secretKey: Uint8Array, publicKey: Uint8Array): void;
  export function crypto_scalarmult_base(publicKey: Uint8Array, secretKey: Uint8Array): void;
  /** In constant time. @throws when the lengths differ. */
  export function sodium_memcmp(a: Uint8Array, b: Uint8Array): boolean;
  export function sodium_memzero(bytes: Uint8Array): void;
}

declare module 'noise-handshake' {
  export interface NoiseKeyPair {
    readonly publicKey: Uint8Array;
    readonly secretKey: Uint8Array;
  }

  /** The state machine of one handshake; what it throws leaves it unusable. */
  export default class NoiseState {
    constructor(pattern: 'IK', initiator: boolean, staticKeyPair: NoiseKeyPair);
    e: NoiseKeyPair | null;
    rs: Uint8Array | null;
    tx: Uint8Array | null;
    rx: Uint8Array | null;
    key: Uint8Array | null;
    digest: Uint8Array;
    chainingKey: Uint8Array;
    handshake: readonly unknown[];
    readonly complete: boolean;
    initialise(prologue: Uint8Array, remoteStatic?: Uint8Array): void;
    send(payload: Uint8Array): Uint8Array;
    recv(message: Uint8Array): Uint8Array;
  }
}
