// Somebody who records what is sent and sends it again later: to the same process or, which is worse, to the one that
// was started after it.

import type { SimNetwork } from '../../src/sim/network.ts';
import type { SeededRandom } from '../../src/sim/random.ts';
import type { Datagram, NetworkEvent } from '../../src/sim/trace.ts';

export class Recorder {
  readonly #recorded: Datagram[] = [];

  onNetwork({ kind, datagram: { bytes, from, to } }: NetworkEvent): void {
    if (kind !== 'sent' || this.#recorded.length >= RECORDED_MAX) return;
    this.#recorded.push({ bytes: bytes.slice(), from, to });
  }

  /** Sends some of what was recorded again. */
  replaySome(network: SimNetwork, random: SeededRandom): void {
    for (let i = 0; i < SOME && this.#recorded.length > 0; i++) network.replay(random.pick(this.#recorded));
  }

  /** Sends everything that was recorded again, in order. */
  replayAll(network: SimNetwork): void {
    for (const datagram of this.#recorded) network.replay(datagram);
  }
}

/** The first of them have the handshakes; more would make the simulation slow. */
const RECORDED_MAX = 400;
const SOME = 40;
