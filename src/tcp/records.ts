// A stream of bytes as sealed records: a length, then ChaCha20-Poly1305 (RFC 8439) of up to 64 KiB, with the number of
// the record as nonce and the length as associated data. Records are numbered by their place in the stream, so one that
// is repeated, left out or moved cannot be opened. Where the keys come from: sealed-stream.ts.

import {
  crypto_aead_chacha20poly1305_ietf_decrypt,
  crypto_aead_chacha20poly1305_ietf_encrypt,
} from 'sodium-native';

const LENGTH_BYTES = 2;
const TAG_BYTES = 16;
/** Everything behind the length: as much as the length can say. */
const SEALED_BYTES_MAX = 65_535;
/** What one record carries. */
export const RECORD_PLAIN_BYTES_MAX: number = SEALED_BYTES_MAX - TAG_BYTES;

/** Seals one direction. */
export class RecordSealer {
  readonly #key: Uint8Array;
  readonly #nonce = new RecordNonce();

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /** The records that carry these bytes, in a buffer of their own. */
  seal(parts: readonly Uint8Array[]): Uint8Array {
    const plainBytes = parts.reduce((sum, { length }) => sum + length, 0);
    const records = Math.ceil(plainBytes / RECORD_PLAIN_BYTES_MAX);
    const sealed = Buffer.allocUnsafe(plainBytes + records * (LENGTH_BYTES + TAG_BYTES));
    let left = plainBytes;
    let recordAt = 0;
    let room = 0;
    let at = 0;
    for (const part of parts) {
      for (let from = 0; from < part.length; ) {
        if (room === 0) {
          room = Math.min(left, RECORD_PLAIN_BYTES_MAX);
          left -= room;
          recordAt = at;
          at = recordAt + LENGTH_BYTES;
          sealed.writeUInt16BE(room + TAG_BYTES, recordAt);
        }
        const taken = part.subarray(from, from + room);
        sealed.set(taken, at);
        from += taken.length;
        room -= taken.length;
        at += taken.length;
        if (room === 0) {
          at += TAG_BYTES;
          this.#sealOne(sealed.subarray(recordAt, at));
        }
      }
    }
    return sealed;
  }

  #sealOne(record: Uint8Array): void {
    crypto_aead_chacha20poly1305_ietf_encrypt(
      record.subarray(LENGTH_BYTES),
      record.subarray(LENGTH_BYTES, record.length - TAG_BYTES),
      record.subarray(0, LENGTH_BYTES),
      null,
      this.#nonce.next(),
      this.#key,
    );
  }
}

/** Opens the other direction. Holds one unfinished record at most. */
export class RecordOpener {
  readonly #key: Uint8Array;
  readonly #nonce = new RecordNonce();
  #chunk: Uint8Array = NOTHING;
  #at = 0;
  #held: Uint8Array = new Uint8Array(LENGTH_BYTES);
  #heldBytes = 0;

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /** Bytes that have arrived, which are overwritten. What came before must have been read with {@link next}. */
  push(chunk: Uint8Array): void {
    this.#chunk = chunk;
    this.#at = 0;
  }

  /** What the next record carries; undefined when it is not complete; after `'forged'` there is nothing to be read. */
  next(): Uint8Array | undefined | 'forged' {
    if (this.#heldBytes === 0) {
      const whole = this.#wholeRecord();
      if (whole !== undefined) return whole;
    }
    if (this.#held.length === LENGTH_BYTES) {
      if (!this.#collect()) return undefined;
      const sealedBytes = sealedBytesAt(this.#held, 0);
      if (sealedBytes <= TAG_BYTES) return 'forged';
      const record = Buffer.allocUnsafe(LENGTH_BYTES + sealedBytes);
      record.set(this.#held);
      this.#held = record;
    }
    if (!this.#collect()) return undefined;
    const record = this.#held;
    this.#held = new Uint8Array(LENGTH_BYTES);
    this.#heldBytes = 0;
    return this.#open(record);
  }

  /** The common case: a record that lies in the chunk with all of its bytes. */
  #wholeRecord(): Uint8Array | undefined | 'forged' {
    const left = this.#chunk.length - this.#at;
    if (left < LENGTH_BYTES) return undefined;
    const sealedBytes = sealedBytesAt(this.#chunk, this.#at);
    if (sealedBytes <= TAG_BYTES) return 'forged';
    const end = this.#at + LENGTH_BYTES + sealedBytes;
    if (end > this.#chunk.length) return undefined;
    const record = this.#chunk.subarray(this.#at, end);
    this.#at = end;
    return this.#open(record);
  }

  #open(record: Uint8Array): Uint8Array | 'forged' {
    const plain = record.subarray(LENGTH_BYTES, record.length - TAG_BYTES);
    try {
      crypto_aead_chacha20poly1305_ietf_decrypt(
        plain,
        null,
        record.subarray(LENGTH_BYTES),
        record.subarray(0, LENGTH_BYTES),
        this.#nonce.next(),
        this.#key,
      );
    } catch {
      return 'forged';
    }
    return plain;
  }

  /** Moves bytes into the buffer until it is full; false when there are not enough. */
  #collect(): boolean {
    const taken = this.#chunk.subarray(this.#at, this.#at + this.#held.length - this.#heldBytes);
    this.#held.set(taken, this.#heldBytes);
    this.#heldBytes += taken.length;
    this.#at += taken.length;
    return this.#heldBytes === this.#held.length;
  }
}

/** 0, 1, 2, … as Noise writes them (section 12.3): four zero bytes, then the number, little-endian. */
class RecordNonce {
  readonly #bytes = Buffer.alloc(12);
  /** A million records a second reach 2^53 after 285 years. */
  #count = 0;

  /** The same buffer each time. */
  next(): Uint8Array {
    const low = this.#count % TWO_32;
    this.#bytes.writeUInt32LE(low, 4);
    this.#bytes.writeUInt32LE((this.#count - low) / TWO_32, 8);
    this.#count++;
    return this.#bytes;
  }
}

function sealedBytesAt(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

const NOTHING = new Uint8Array(0);
const TWO_32 = 2 ** 32;
