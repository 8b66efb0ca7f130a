// The streams of one transport: what its calls that are streams share, and the ways into them.

import type { Random } from '../base/random.ts';
import { ReadAheadBudget } from './read-ahead.ts';
import { checkUpload, StreamCall, type StreamCarrier } from './stream-call.ts';
import { STREAM_ID_BYTES } from './stream-parts.ts';
import type { AnswerStream, CallOptions, Peer, StreamOptions, TransportEvent } from './transport.ts';

/** Made once per transport. */
export class Streams implements StreamCarrier {
  readonly readAhead: ReadAheadBudget = new ReadAheadBudget();
  readonly tell: (event: TransportEvent) => void;
  readonly #random: Random;

  constructor(random: Random, tell: (event: TransportEvent) => void) {
    this.#random = random;
    this.tell = tell;
  }

  freshId(): Uint8Array {
    return this.#random.bytes(STREAM_ID_BYTES);
  }

  /** {@link Peer.stream}. @throws RpcError BAD_ARGUMENT. */
  read(peer: Peer, method: string, body: unknown, options: StreamOptions): AnswerStream {
    checkUpload(peer.address, method, options.upload);
    return new StreamCall(this, peer, method, body, options, true);
  }

  /** {@link Peer.call} with an upload. */
  async write(peer: Peer, method: string, body: unknown, options: CallOptions): Promise<unknown> {
    checkUpload(peer.address, method, options.upload);
    return new StreamCall(this, peer, method, body, options, false).answer();
  }
}
