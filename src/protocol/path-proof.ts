// Who is at an address: what one end asks of an address that has not proved itself, and what it answers when it is
// asked itself (RFC 9000, section 8.2). What may be sent there meanwhile is path.ts.

import { FRAME, PATH_FRAME_BYTES, writePathFrame } from '../wire/frame.ts';
import type { PacketBuilder } from './packet-builder.ts';

/** PATH-CHALLENGE and PATH-RESPONSE of one session. */
export class PathProof {
  /** What the other address has to repeat; it goes with every packet until it does, as each may be lost. */
  #challenge: number | undefined;
  #challengeDue = false;
  #responses: number[] = [];

  /** Something of it is worth a packet of its own. */
  get isDue(): boolean {
    return this.#challengeDue || this.#responses.length > 0;
  }

  ask(token: number): void {
    this.#challenge = token;
    this.#challengeDue = true;
  }

  onChallenge(token: number): void {
    // P-82: a flood of challenges must not become a queue.
    if (this.#responses.length < 4) this.#responses.push(token);
  }

  /** True when it is the answer to what was asked. */
  onResponse(token: number): boolean {
    // P-81
    if (token !== this.#challenge) return false;
    this.#challenge = undefined;
    this.#challengeDue = false;
    return true;
  }

  fill(packet: PacketBuilder): void {
    if (this.#challenge !== undefined && packet.room >= PATH_FRAME_BYTES) {
      packet.at = writePathFrame(packet.buffer, packet.at, FRAME.pathChallenge, this.#challenge);
      this.#challengeDue = false;
      packet.ackEliciting = true;
    }
    while (this.#responses.length > 0 && packet.room >= PATH_FRAME_BYTES) {
      const token = this.#responses.shift()!;
      packet.at = writePathFrame(packet.buffer, packet.at, FRAME.pathResponse, token);
      packet.ackEliciting = true;
    }
  }
}
