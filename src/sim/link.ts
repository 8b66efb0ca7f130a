// One direction of a simulated path: what it does to a datagram and when that arrives. It delivers nothing
// itself; network.ts does, and knows of hosts, partitions and sockets.

import type { SeededRandom } from './random.ts';

/** A rate, and a queue in front of it. */
export interface Shape {
  /** `Infinity`: the datagrams of one instant leave at once. */
  readonly bandwidthBytesPerMs: number;
  /** Bytes that wait for the bandwidth; what comes on top is dropped. */
  readonly queueBytes: number;
}

/** How a path behaves in one direction. All probabilities are per datagram, all delays one way. */
export interface LinkSettings extends Shape {
  readonly latencyMs: number;
  /** Up to this much more, uniformly; it never changes the order of datagrams. */
  readonly jitterMs: number;
  /** A datagram, and all behind it, is held up by `spikeMs`. */
  readonly spikeProbability: number;
  readonly spikeMs: number;
  readonly lossProbability: number;
  /** With this datagram begins a time of `burstMs` in which all are lost. */
  readonly burstProbability: number;
  readonly burstMs: number;
  /** A second copy arrives, up to `reorderMs` after the first. */
  readonly duplicateProbability: number;
  /** Arrives up to `reorderMs` late, without holding up those behind it. */
  readonly reorderProbability: number;
  readonly reorderMs: number;
  /** One to three bits are flipped. */
  readonly corruptProbability: number;
  /** Larger datagrams vanish without a word. */
  readonly mtuBytes: number;
  /** What the sender's interface carries: the socket's `datagramCeilingBytes`. At least 1200. */
  readonly interfaceBytes: number;
}

/** A quiet local network. */
export const QUIET_LINK: LinkSettings = {
  latencyMs: 0.5,
  jitterMs: 0,
  spikeProbability: 0,
  spikeMs: 50,
  lossProbability: 0,
  burstProbability: 0,
  burstMs: 100,
  duplicateProbability: 0,
  reorderProbability: 0,
  reorderMs: 5,
  corruptProbability: 0,
  bandwidthBytesPerMs: Number.POSITIVE_INFINITY,
  queueBytes: 256 * 1024,
  mtuBytes: Number.POSITIVE_INFINITY,
  interfaceBytes: 1472,
};

/** What {@link healed} takes away. */
const NO_FAULTS: Partial<LinkSettings> = {
  spikeProbability: 0,
  lossProbability: 0,
  burstProbability: 0,
  duplicateProbability: 0,
  reorderProbability: 0,
  corruptProbability: 0,
  mtuBytes: Number.POSITIVE_INFINITY,
};

/** The same link without faults; its delays and bandwidth stay. */
export function healed(settings: Partial<LinkSettings>): Partial<LinkSettings> {
  return { ...settings, ...NO_FAULTS };
}

/** What a rate and its queue do to datagrams, one after another. */
export class Bottleneck {
  #freeAtMs = 0;

  /** When a datagram that comes now has left, in milliseconds; undefined when the queue is full. */
  departureMs(nowMs: number, sizeBytes: number, shape: Shape): number | undefined {
    if (shape.bandwidthBytesPerMs === Number.POSITIVE_INFINITY) return nowMs;
    const startMs = Math.max(nowMs, this.#freeAtMs);
    const waitingBytes = (startMs - nowMs) * shape.bandwidthBytesPerMs;
    // A datagram that finds nothing before it is on the wire, not in the queue.
    if (waitingBytes > 0 && waitingBytes + sizeBytes > shape.queueBytes) return undefined;
    this.#freeAtMs = startMs + sizeBytes / shape.bandwidthBytesPerMs;
    return this.#freeAtMs;
  }
}

/** What becomes of one datagram on its way. */
export type Passage =
  | { readonly outcome: 'lost' | 'queue-full' | 'too-large' }
  | {
      readonly outcome: 'passed';
      readonly arrivesAtMs: number;
      readonly late: boolean;
      readonly corrupt: boolean;
      /** When the second copy arrives, if there is one. */
      readonly copyArrivesAtMs: number | undefined;
    };

/** One direction between two hosts. */
export class Link {
  readonly #random: SeededRandom;
  readonly #bottleneck = new Bottleneck();
  #lastArrivalMs = 0;
  #burstUntilMs = 0;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  /** Decides over one datagram that enters now; draws nothing for faults that are switched off. */
  pass(sizeBytes: number, nowMs: number, settings: LinkSettings): Passage {
    const random = this.#random;
    if (sizeBytes > settings.mtuBytes) return { outcome: 'too-large' };
    const departedMs = this.#bottleneck.departureMs(nowMs, sizeBytes, settings);
    if (departedMs === undefined) return { outcome: 'queue-full' };
    if (random.chance(settings.burstProbability)) this.#burstUntilMs = nowMs + settings.burstMs;
    if (settings.burstProbability > 0 && nowMs < this.#burstUntilMs) return { outcome: 'lost' };
    if (random.chance(settings.lossProbability)) return { outcome: 'lost' };

    let arrivesAtMs = departedMs + settings.latencyMs;
    if (settings.jitterMs > 0) arrivesAtMs += random.float() * settings.jitterMs;
    if (random.chance(settings.spikeProbability)) arrivesAtMs += settings.spikeMs;
    arrivesAtMs = Math.max(arrivesAtMs, this.#lastArrivalMs);
    const late = random.chance(settings.reorderProbability);
    if (late) arrivesAtMs += random.float() * settings.reorderMs;
    else this.#lastArrivalMs = arrivesAtMs;
    const copied = random.chance(settings.duplicateProbability);
    return {
      outcome: 'passed',
      arrivesAtMs,
      late,
      corrupt: random.chance(settings.corruptProbability),
      copyArrivesAtMs: copied ? arrivesAtMs + random.float() * settings.reorderMs : undefined,
    };
  }

  /** Flips one to three bits in place. */
  corrupt(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    for (let flips = this.#random.int(1, 3); flips > 0; flips--) {
      const bit = this.#random.int(0, bytes.length * 8 - 1);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
    }
  }
}
