// Whether a server may spend a handshake's work on a first datagram: how many there are of late, and how many from one
// part of the network. Everything here has a fixed size, whoever sends what.

import type { Random } from '../base/random.ts';

/** How much work handshakes may be. */
export interface HandshakeLimits {
  /** First datagrams per second beyond which a server is under load: it asks for cookies, and counts by network. */
  readonly easyPerSecond: number;
  /** Of one IPv4 /24 or IPv6 /56 under load (as WireGuard does of one address). */
  readonly perNetworkPerSecond: number;
  readonly perNetworkBurst: number;
}

export const DEFAULT_HANDSHAKE_LIMITS: HandshakeLimits = {
  // Under a tenth of a core: one costs about half a millisecond.
  easyPerSecond: 100,
  perNetworkPerSecond: 20,
  perNetworkBurst: 5,
};

const SLOTS = 8192;

/** Counts first datagrams. */
export class HandshakeLoad {
  readonly #limits: HandshakeLimits;
  readonly #random: Random;
  readonly #easy: { tokens: number; atMs: number };
  /** A token bucket per slot; networks in one slot share it. Made when there is load. */
  #networks:
    | { readonly salt: number; readonly tokens: Float32Array; readonly atMs: Float64Array }
    | undefined;

  constructor(limits: HandshakeLimits, random: Random) {
    this.#limits = limits;
    this.#random = random;
    this.#easy = { tokens: limits.easyPerSecond, atMs: 0 };
  }

  /** One has come; true when there are too many. */
  isHigh(nowMs: number): boolean {
    const { easyPerSecond } = this.#limits;
    const easy = this.#easy;
    easy.tokens = refilled(easy.tokens, easy.atMs, nowMs, easyPerSecond, easyPerSecond);
    easy.atMs = nowMs;
    if (easy.tokens < 1) return true;
    easy.tokens--;
    return false;
  }

  /** Takes one from the part of the network that `host`, an IP address, is in; false when it has had its share. */
  takeFrom(host: string, nowMs: number): boolean {
    const { perNetworkPerSecond, perNetworkBurst } = this.#limits;
    this.#networks ??= {
      salt: Math.floor(this.#random.float() * 2 ** 32),
      tokens: new Float32Array(SLOTS).fill(perNetworkBurst),
      atMs: new Float64Array(SLOTS),
    };
    const { salt, tokens, atMs } = this.#networks;
    const slot = slotOf(networkOf(host), salt);
    const left = refilled(tokens[slot]!, atMs[slot]!, nowMs, perNetworkPerSecond, perNetworkBurst);
    atMs[slot] = nowMs;
    tokens[slot] = left >= 1 ? left - 1 : left;
    return left >= 1;
  }
}

function refilled(tokens: number, sinceMs: number, nowMs: number, perSecond: number, most: number): number {
  return Math.min(most, tokens + ((nowMs - sinceMs) * perSecond) / 1000);
}

/** The /24 of an IPv4 address (also of one mapped into IPv6), the /56 of an IPv6 address, as text. */
export function networkOf(host: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(host)?.[1];
  const v4 = mapped ?? host;
  if (/^[\d.]+$/.test(v4)) return v4.slice(0, v4.lastIndexOf('.'));
  const [front = '', back] = host.split('%')[0]!.split('::');
  const groups = front === '' ? [] : front.split(':');
  const missing = back === undefined ? 0 : 8 - groups.length - (back === '' ? 0 : back.split(':').length);
  for (let i = 0; i < missing; i++) groups.push('0');
  if (back !== undefined && back !== '') groups.push(...back.split(':'));
  const numbers = groups.slice(0, 4).map((group) => Number.parseInt(group, 16) || 0);
  numbers[3] = (numbers[3] ?? 0) & 0xff00;
  return numbers.map((number) => number.toString(16)).join(':');
}

/** FNV-1a, salted so that nobody can choose who shares its slot. */
function slotOf(network: string, salt: number): number {
  let hash = 0x811c9dc5 ^ salt;
  for (let i = 0; i < network.length; i++) hash = Math.imul(hash ^ network.charCodeAt(i), 0x01000193);
  hash ^= hash >>> 15;
  return (hash >>> 0) % SLOTS;
}
