// What a simulated network did, as counters, as events for a listener, and as one number that two runs of a
// seed must agree on.

import type { SocketAddress } from '../datagram/datagram-socket.ts';

/** Everything that can become of a datagram. */
const NETWORK_EVENTS = [
  'sent',
  'delivered',
  'lost',
  'duplicated',
  'reordered',
  'corrupted',
  /** Somebody who has recorded it sends it once more. */
  'replayed',
  /** A bottleneck's queue was full. */
  'queue-full',
  'too-large',
  'partitioned',
  'blackholed',
  /** Nobody listens at that host and port. */
  'unbound',
  /** The receiver's socket buffer was full. */
  'buffer-full',
  /** The sender was told that there is no way to send it. */
  'refused',
] as const;

export type NetworkEventKind = (typeof NETWORK_EVENTS)[number];

/** A datagram on its way. */
export interface Datagram {
  readonly bytes: Uint8Array;
  readonly from: SocketAddress;
  readonly to: SocketAddress;
}

/** One event; the datagram's bytes are lent for the call. */
export interface NetworkEvent {
  readonly kind: NetworkEventKind;
  readonly atMs: number;
  readonly datagram: Datagram;
}

/** Counts, hashes and passes on. */
export class NetworkTrace {
  readonly counters: Record<NetworkEventKind, number> = Object.fromEntries(
    NETWORK_EVENTS.map((kind) => [kind, 0]),
  ) as Record<NetworkEventKind, number>;
  sentBytes = 0;
  deliveredBytes = 0;
  readonly #listener: ((event: NetworkEvent) => void) | undefined;
  readonly #time = new Float64Array(1);
  readonly #timeWords = new Uint32Array(this.#time.buffer);
  #low = 0x811c9dc5 | 0;
  #high = 0x01000193 | 0;

  constructor(listener?: (event: NetworkEvent) => void) {
    this.#listener = listener;
  }

  /** 64 bits over every event so far: kind, time, addresses and contents. */
  get hash(): string {
    const hex = (word: number) => (word >>> 0).toString(16).padStart(8, '0');
    return hex(this.#high) + hex(this.#low);
  }

  note(kind: NetworkEventKind, atMs: number, datagram: Datagram): void {
    const { bytes, from, to } = datagram;
    this.counters[kind]++;
    if (kind === 'sent') this.sentBytes += bytes.length;
    if (kind === 'delivered') this.deliveredBytes += bytes.length;
    this.#time[0] = atMs;
    this.#mix(this.#timeWords[0]!);
    this.#mix(this.#timeWords[1]!);
    this.#mix(NETWORK_EVENTS.indexOf(kind));
    this.#mixAddress(from);
    this.#mixAddress(to);
    this.#mix(bytes.length);
    // Contents once per datagram are enough: what arrives is what was sent, or it says `corrupted`.
    if (kind === 'sent') this.#mixBytes(bytes);
    this.#listener?.({ kind, atMs, datagram });
  }

  /** 32 bits of the contents, a word at a time: a multiply per byte would be half of a simulation's time. */
  #mixBytes(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let hash = 0;
    let at = 0;
    for (; at + 4 <= bytes.length; at += 4)
      hash = Math.imul(hash ^ view.getInt32(at, true), 0x9e3779b1) ^ (hash >>> 15);
    for (; at < bytes.length; at++) hash = Math.imul(hash ^ bytes[at]!, 0x9e3779b1) ^ (hash >>> 15);
    this.#mix(hash);
  }

  #mixAddress(address: SocketAddress): void {
    for (let i = 0; i < address.host.length; i++) this.#mix(address.host.charCodeAt(i));
    this.#mix(address.port);
  }

  /** Two lanes of multiply and xor-shift; no cryptography, but any difference spreads. */
  #mix(word: number): void {
    this.#low = Math.imul(this.#low ^ word, 0x85ebca6b);
    this.#high = Math.imul(this.#high ^ (this.#low >>> 13) ^ word, 0xc2b2ae35);
    this.#low ^= this.#high >>> 15;
  }
}
