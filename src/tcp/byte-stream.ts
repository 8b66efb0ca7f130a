// What the transport needs of TCP: the seam between the real sockets (net-streams.ts) and those of the tests.

import type { HostAndPort } from '../transport/address.ts';

/** One connection: bytes both ways, in order, until it is closed by either side. */
export interface ByteStream {
  /** The other end; for a stream that was dialled, as it was asked for. */
  readonly remote: HostAndPort;
  /** Dialled streams only: the other end has accepted. Nothing may be written before. */
  onOpen: () => void;
  /** The bytes belong to the receiver. */
  onBytes: (bytes: Uint8Array) => void;
  /** The operating system, which had no room for all of it, has now taken what was written: the other side reads. */
  onWritten: () => void;
  /** It is over; called once, and nothing is called afterwards. `code` is the system's, e.g. `ECONNREFUSED`. */
  onClosed: (code: string | undefined) => void;
  /**
   * Writes all parts in order. True when the operating system has taken them at once; else `onWritten` follows, and
   * nothing is to be written before.
   */
  write(parts: readonly Uint8Array[]): boolean;
  /** Leaves what arrives to the operating system, whose buffer fills up until the sender has to wait. */
  pause(): void;
  resume(): void;
  /** Ends it at once; `onClosed` is not called. What was not taken by the operating system is not sent. */
  destroy(): void;
}

/** Where streams come from: a bound port that accepts them, and a way to dial others. */
export interface StreamNetwork {
  readonly local: HostAndPort;
  /** Somebody has connected; set before the first turn ends. */
  onStream: (stream: ByteStream) => void;
  /** Never throws: what goes wrong comes to `onClosed`. */
  connect(to: HostAndPort): ByteStream;
  /**
   * Asks whether the machine at an address lives, where that can be asked. `onAlive` is called at most once, within a
   * second, or not at all.
   */
  askMachine?(at: HostAndPort, onAlive: () => void): void;
  /** Stops accepting, destroys all streams; resolves when the operating system has let go of them. */
  close(): Promise<void>;
}
