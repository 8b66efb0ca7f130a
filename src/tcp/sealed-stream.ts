// A stream of bytes inside a channel that only its two ends can read: the Noise_IK handshake of the datagrams, then
// records (records.ts). What it gives is a ByteStream again, so that nothing above knows of it.
//
//   dialled:  preface  message 1 (capability)  ──►
//   accepted:                                  ◄──  preface  message 2 (welcome, or refused)
//   both:     records
//
// Nobody gets a byte from a port who does not know its key. A recorded message 1 opens nothing: what follows it is
// sealed with a key that follows from the ephemeral secrets of both ends.

import { crypto_generichash, sodium_memcmp } from 'sodium-native';
import type { Random } from '../base/random.ts';
import { formatKey, type Identity, KEY_BYTES } from '../session/identity.ts';
import {
  type DirectionalKeys,
  initiateNoise,
  MESSAGE_1_OVERHEAD_BYTES,
  MESSAGE_2_OVERHEAD_BYTES,
  respondNoise,
} from '../session/noise-ik.ts';
import type { HostAndPort } from '../transport/address.ts';
import type { ByteStream } from './byte-stream.ts';
import { RecordOpener, RecordSealer } from './records.ts';

/** Who an endpoint is, and whom it lets in. */
export interface Guard {
  readonly identity: Identity;
  /** What who calls us must have been told: see {@link capabilityOf}. */
  readonly capability: Uint8Array;
  /** Whether the owner of this public key, as text, may call. */
  readonly allows: (clientKey: string) => boolean;
  readonly random: Random;
}

/** A server as its address describes it. */
export interface SealedServer {
  readonly key: Uint8Array;
  readonly capability: Uint8Array;
}

/** A swissnum as it is shown to the server: of fixed length, so that comparing takes the same time for any guess. */
export function capabilityOf(key: Uint8Array, swissnum: string): Uint8Array {
  const capability = new Uint8Array(CAPABILITY_BYTES);
  crypto_generichash(capability, Buffer.from(`nevermind tcp swissnum ${swissnum}`), key);
  return capability;
}

/** `onClosed` of a dialled stream says it when the server does not let us in … */
export const REFUSED = 'UNAUTHORIZED';
/** … and when what is there speaks, but has not the server's key. */
export const FOREIGN = 'FOREIGN';

const PREFACE = Uint8Array.of(0x6e, 0x76, 0x6d, 0x74, 0x63, 0x70, 0x00, 0x02);
const PROLOGUE = Buffer.from('nevermind 2 tcp');
const CAPABILITY_BYTES = 16;
const HELLO_BYTES = PREFACE.length + MESSAGE_1_OVERHEAD_BYTES + CAPABILITY_BYTES;
const ANSWER_BYTES = PREFACE.length + MESSAGE_2_OVERHEAD_BYTES + 1;
const WELCOME = Uint8Array.of(1);
const GO_AWAY = Uint8Array.of(0);

/**
 * The client's end, on a stream that was dialled and is not open yet. `onDialled`: it is, and the handshake begins;
 * `onOpen` comes when the server has proven itself.
 */
export function sealDialled(
  stream: ByteStream,
  server: SealedServer,
  guard: Guard,
  onDialled: () => void,
): ByteStream {
  const sealed = new SealedStream(stream);
  const secret = guard.random.bytes(KEY_BYTES);
  const initiation = initiateNoise(guard.identity, server.key, PROLOGUE, secret, server.capability);
  stream.onOpen = () => {
    onDialled();
    stream.write([PREFACE, initiation.message]);
  };
  const answer = new Collector(ANSWER_BYTES);
  stream.onBytes = (bytes) => {
    const whole = answer.add(bytes);
    if (!answer.beginsWith(PREFACE)) return sealed.end(FOREIGN);
    if (whole === undefined) return;
    const completed = initiation.complete(whole.subarray(PREFACE.length));
    if (completed === undefined) sealed.end(FOREIGN);
    else if (completed.payload[0] !== WELCOME[0]) sealed.end(REFUSED);
    else sealed.open(completed.keys, answer.rest);
  };
  return sealed;
}

/**
 * The server's end. `onAccepted` gets it once the client has shown that it knows our key and swissnum, that it is one
 * of those allowed and, by a record, that it is not somebody who has recorded its message 1; until then, no more is kept
 * of it than its message or that record. Everybody else is left: those who know our key with a word.
 */
export function sealAccepted(
  stream: ByteStream,
  guard: Guard,
  onAccepted: (stream: ByteStream, clientKey: string) => void,
  onRefused: () => void,
): void {
  const refuse = (): void => {
    stream.destroy();
    onRefused();
  };
  const hello = new Collector(HELLO_BYTES);
  stream.onClosed = onRefused;
  stream.onBytes = (bytes) => {
    const whole = hello.add(bytes);
    if (!hello.beginsWith(PREFACE)) return refuse();
    if (whole === undefined) return;
    // There is nothing to be said before our answer.
    const request =
      hello.rest.length > 0
        ? undefined
        : respondNoise(guard.identity, PROLOGUE, whole.subarray(PREFACE.length));
    if (request?.payload.length !== CAPABILITY_BYTES) return refuse();
    const clientKey = formatKey(request.initiatorKey);
    // Both are looked at, whatever the first one says.
    const isCapable = sodium_memcmp(request.payload, guard.capability);
    const isKnown = guard.allows(clientKey) && isCapable;
    const answer = request.answer(guard.random.bytes(KEY_BYTES), isKnown ? WELCOME : GO_AWAY);
    // So few bytes always find room in the system's buffer, and what is written before the end is sent before it.
    stream.write([PREFACE, answer.message]);
    if (!isKnown) return refuse();
    const sealed = new SealedStream(stream);
    sealed.onClosed = onRefused;
    sealed.onBytes = (first) => {
      sealed.onBytes = () => {};
      onAccepted(sealed, clientKey);
      sealed.onBytes(first);
    };
    sealed.open(answer.keys, NOTHING);
  };
}

class SealedStream implements ByteStream {
  readonly remote: HostAndPort;
  onOpen: () => void = () => {};
  onBytes: (bytes: Uint8Array) => void = () => {};
  onWritten: () => void = () => {};
  onClosed: (code: string | undefined) => void = () => {};
  readonly #stream: ByteStream;
  #sealer: RecordSealer | undefined;
  #over = false;

  constructor(stream: ByteStream) {
    this.#stream = stream;
    this.remote = stream.remote;
    stream.onClosed = (code) => this.end(code);
  }

  /** The handshake is complete; `rest` came behind it. */
  open({ send, receive }: DirectionalKeys, rest: Uint8Array): void {
    const opener = new RecordOpener(receive);
    this.#sealer = new RecordSealer(send);
    this.#stream.onWritten = () => this.onWritten();
    this.#stream.onBytes = (bytes) => this.#onSealed(opener, bytes);
    this.onOpen();
    if (rest.length > 0 && !this.#over) this.#onSealed(opener, rest);
  }

  write(parts: readonly Uint8Array[]): boolean {
    // Nothing is written before `onOpen`.
    return this.#stream.write([this.#sealer!.seal(parts)]);
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  destroy(): void {
    this.#over = true;
    this.#stream.destroy();
  }

  end(code: string | undefined): void {
    if (this.#over) return;
    this.destroy();
    this.onClosed(code);
  }

  #onSealed(opener: RecordOpener, bytes: Uint8Array): void {
    opener.push(bytes);
    for (let plain = opener.next(); plain !== undefined; plain = opener.next()) {
      // Whoever can change what is under way could have cut it as well: the connection is lost.
      if (plain === 'forged') this.end(undefined);
      else this.onBytes(plain);
      if (this.#over) return;
    }
  }
}

/** The first bytes of a stream, until there are enough of them. */
class Collector {
  readonly #bytes: Uint8Array;
  #length = 0;
  /** What came behind them. */
  rest: Uint8Array = NOTHING;

  constructor(sizeBytes: number) {
    this.#bytes = new Uint8Array(sizeBytes);
  }

  /** All of them, once they are there. */
  add(bytes: Uint8Array): Uint8Array | undefined {
    const taken = bytes.subarray(0, this.#bytes.length - this.#length);
    this.#bytes.set(taken, this.#length);
    this.#length += taken.length;
    this.rest = bytes.subarray(taken.length);
    return this.#length === this.#bytes.length ? this.#bytes : undefined;
  }

  /** As far as can be told by now. */
  beginsWith(prefix: Uint8Array): boolean {
    const known = Math.min(this.#length, prefix.length);
    for (let at = 0; at < known; at++) if (this.#bytes[at] !== prefix[at]) return false;
    return true;
  }
}

const NOTHING = new Uint8Array(0);
