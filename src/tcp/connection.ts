// One connection as frames both ways, the same for whoever dialled and whoever accepted: preface, cutting what comes
// into frames, writing what is queued once per turn and as fast as the other side takes it.

import type { HostAndPort } from '../transport/address.ts';
import type { ByteStream } from './byte-stream.ts';
import { type Frame, PREFACE } from './frame.ts';
import { FrameReader } from './frame-reader.ts';
import { SendQueue } from './send-queue.ts';

/** Why a connection is over: the system's code, if any; not our protocol; or sense that its frames do not make. */
export type Ending =
  | { readonly why: 'closed'; readonly code: string | undefined }
  | { readonly why: 'foreign' }
  | { readonly why: 'malformed' };

/** Who uses a connection. None of these is called once it is over, but `onEnded`, once. */
export interface ConnectionOwner {
  /** False when the frame makes no sense here: then the connection is over. */
  onFrame(frame: Frame): boolean;
  /** The other side reads: the operating system, which had been full, has taken more. */
  onTaken(): void;
  /** What could be written has been. */
  onFlushed(): void;
  onEnded(ending: Ending): void;
}

/** What connections need of their endpoint. */
export interface ConnectionSettings {
  readonly soon: (task: () => void) => void;
  readonly config: { readonly pieceBytes: number; readonly batchBytes: number };
}

/** Frames over one {@link ByteStream}. */
export class Connection {
  readonly queue: SendQueue;
  readonly #stream: ByteStream;
  readonly #settings: ConnectionSettings;
  readonly #owner: ConnectionOwner;
  readonly #reader = new FrameReader();
  /** Until the stream is open, then whenever it has not taken all that was written. */
  #busy = true;
  #flushScheduled = false;
  #over = false;

  constructor(stream: ByteStream, settings: ConnectionSettings, owner: ConnectionOwner) {
    this.#stream = stream;
    this.#settings = settings;
    this.#owner = owner;
    this.queue = new SendQueue(settings.config.pieceBytes);
    stream.onBytes = (bytes) => this.#onBytes(bytes);
    stream.onWritten = () => {
      this.#busy = false;
      owner.onTaken();
      if (!this.#over) this.#flush();
    };
    stream.onClosed = (code) => {
      this.#over = true;
      owner.onEnded({ why: 'closed', code });
    };
  }

  get remote(): HostAndPort {
    return this.#stream.remote;
  }

  /** The stream is open: our preface goes out, and with it what is queued. */
  begin(): void {
    this.#busy = false;
    this.queue.control(PREFACE);
    this.flushSoon();
  }

  /** What is queued leaves at the end of this turn, all of it together. */
  flushSoon(): void {
    if (this.#flushScheduled || this.#busy || this.#over) return;
    this.#flushScheduled = true;
    this.#settings.soon(() => {
      this.#flushScheduled = false;
      if (!this.#over) this.#flush();
    });
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  /** Ends it at once, without a word to its owner. */
  destroy(): void {
    if (this.#over) return;
    this.#over = true;
    this.#stream.destroy();
  }

  #flush(): void {
    while (!this.#busy && !this.#over && !this.queue.isEmpty) {
      this.#busy = !this.#stream.write(this.queue.take(this.#settings.config.batchBytes));
    }
    this.#owner.onFlushed();
  }

  #onBytes(bytes: Uint8Array): void {
    this.#reader.push(bytes);
    for (let found = this.#reader.next(); found !== undefined; found = this.#reader.next()) {
      if (found === 'preface') continue;
      if (found === 'foreign' || found === 'malformed') this.#end(found);
      else if (!this.#owner.onFrame(found)) this.#end('malformed');
      if (this.#over) return;
    }
  }

  #end(why: 'foreign' | 'malformed'): void {
    if (this.#over) return;
    this.destroy();
    this.#owner.onEnded({ why });
  }
}
