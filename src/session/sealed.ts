// Sealed sessions: Noise_IK with the first request inside the first message, on datagrams. What is on the wire, and what
// it protects from whom: spec/security.md. Here stands in which order a first datagram is looked at, so that who knows
// nothing costs nothing, and that nothing is remembered of anybody before it has shown that it knows our key.

import { crypto_generichash, sodium_memcmp } from 'sodium-native';
import type { Random } from '../base/random.ts';
import {
  INIT_HEADER_BYTES,
  MIN_DATAGRAM_BYTES,
  RESET_TOKEN_BYTES,
  RESP_HEADER_BYTES,
  writeInitHeader,
  writeRespHeader,
} from '../wire/datagram.ts';
import { readUint64, writeUint64 } from '../wire/varint.ts';
import { Cookies, hasMac2, MAC_BYTES, MACS_BYTES, PublicMacs, writeMac2 } from './cookies.ts';
import { DEFAULT_HANDSHAKE_LIMITS, type HandshakeLimits, HandshakeLoad } from './handshake-load.ts';
import { formatKey, type Identity } from './identity.ts';
import {
  initiateNoise,
  MESSAGE_1_HEADER_BYTES,
  MESSAGE_2_HEADER_BYTES,
  type NoiseInitiation,
  type NoiseResponse,
  respondNoise,
} from './noise-ik.ts';
import type {
  Acceptance,
  Admission,
  AttemptHints,
  HandshakeAnswer,
  Initiation,
  InitSource,
  Protection,
  Remote,
} from './protection.ts';
import { SealedKeys, TAG_BYTES } from './sealed-keys.ts';
import { HORIZON_MS, StrikeRegister } from './strike-register.ts';

/** What an endpoint is, and whom it lets in. */
export interface SealedOptions {
  readonly identity: Identity;
  /** What who calls us must have been told. */
  readonly swissnum: string;
  /** Where it is bound: what tells it, after a restart too, from others that have this identity at the same time. */
  readonly place: string;
  /** Whether a client may call, by its public key as text; everybody with our address by default. */
  readonly allows?: ((clientKey: string) => boolean) | undefined;
  readonly random: Random;
  /** The wall clock. */
  readonly unixMs: () => number;
  readonly limits?: Partial<HandshakeLimits> | undefined;
}

/** Sessions sealed with Noise_IK_25519_ChaChaPoly_BLAKE2b. */
export function sealedProtection(options: SealedOptions): Protection {
  return new SealedProtection(options);
}

/** The server with this public key and swissnum. */
export function remoteOf(key: Uint8Array, swissnum: string): Remote {
  return { key, capability: capabilityOf(key, swissnum) };
}

/** Of fixed length, so that comparing takes the same time whatever was guessed. */
function capabilityOf(key: Uint8Array, swissnum: string): Uint8Array {
  const capability = new Uint8Array(CAPABILITY_BYTES);
  crypto_generichash(capability, Buffer.from(`nevermind swissnum ${swissnum}`), key);
  return capability;
}

const PROLOGUE = Buffer.from('nevermind 1 datagrams');
const CAPABILITY_BYTES = 16;

/** What stands before the frames in the payload of message 1. */
const OFFER = {
  unixMs: 0,
  capability: 8,
  resetToken: 8 + CAPABILITY_BYTES,
  bytes: 8 + CAPABILITY_BYTES + RESET_TOKEN_BYTES,
} as const;

/** What stands before the frames in the payload of message 2: verdict, our session id once more, its reset token. */
const WELCOME = { verdict: 0, session: 1, resetToken: 9, bytes: 9 + RESET_TOKEN_BYTES } as const;
/** With the verdict `clock`, the wall clock stands where the session id stood. */
const VERDICT = { welcome: 0, unauthorized: 1, clock: 2 } as const;

const INIT_FRAMES_AT: number = INIT_HEADER_BYTES + MESSAGE_1_HEADER_BYTES + OFFER.bytes;
const INIT_TRAILER_BYTES: number = TAG_BYTES + MACS_BYTES;
const RESP_FRAMES_AT: number = RESP_HEADER_BYTES + MESSAGE_2_HEADER_BYTES + WELCOME.bytes;
const RESP_TRAILER_BYTES: number = TAG_BYTES + MAC_BYTES;

/** Handshakes of two horizons, as many as a loaded machine can answer. */
const MAX_STRIKES = 65_536;

/** The lower 32 bits of a session id follow from the upper 21. */
const SESSION_CHECK_RANGE: number = 2 ** 32;

const DROPPED: Admission = { kind: 'dropped' };

class SealedProtection implements Protection {
  readonly #options: SealedOptions;
  readonly #ownMacs: PublicMacs;
  readonly #capability: Uint8Array;
  readonly #resetKey: Uint8Array;
  readonly #sessionKey: Uint8Array;
  readonly #cookies: Cookies;
  readonly #load: HandshakeLoad;
  readonly #strikes = new StrikeRegister(MAX_STRIKES);
  /** What is older may have been recorded before we were here. */
  readonly #startedUnixMs: number;
  /** Wall clock and our own, read together once: for handshakes, time never goes back. */
  #began: { readonly unixMs: number; readonly atMs: number } | undefined;

  constructor(options: SealedOptions) {
    const { identity, swissnum, place, random, limits } = options;
    this.#options = options;
    this.#startedUnixMs = options.unixMs();
    this.#ownMacs = new PublicMacs(identity.publicKey);
    this.#capability = capabilityOf(identity.publicKey, swissnum);
    // P-128
    this.#resetKey = identity.deriveSecret(`reset ${place}`, 32);
    this.#sessionKey = identity.deriveSecret(`session ids ${place}`, 32);
    this.#cookies = new Cookies(random);
    this.#load = new HandshakeLoad({ ...DEFAULT_HANDSHAKE_LIMITS, ...limits }, random);
  }

  initiate(localSession: number, remote: Remote, hints: AttemptHints): Initiation {
    return new SealedInitiation(
      this.#options,
      this.#ownMacs,
      localSession,
      this.resetToken(localSession),
      remote,
      hints,
    );
  }

  accept(
    init: Uint8Array,
    initiatorSession: number,
    localSession: number,
    from: InitSource,
    nowMs: number,
  ): Admission {
    const { identity, random } = this.#options;
    // P-5, P-100
    const mac1At = init.length - MACS_BYTES;
    if (init.length < MIN_DATAGRAM_BYTES || !this.#ownMacs.hasMac1(init, mac1At)) return DROPPED;
    // P-126: mac1 does not cover mac2, so that a recording can be changed there by who does not know the key.
    const mac2At = init.length - MAC_BYTES;
    const hasCookie = hasMac2(init, mac2At);
    if (hasCookie && !this.#cookies.haveMadeMac2(init, mac2At, from, nowMs)) return DROPPED;
    // P-101
    if (this.#load.isHigh(nowMs)) {
      if (!hasCookie) {
        const mac1 = init.subarray(mac1At, mac2At);
        const cookie = this.#cookies.of(from, nowMs);
        return {
          kind: 'cookie',
          datagram: this.#ownMacs.sealCookie(initiatorSession, cookie, mac1, this.#cookies.nonce()),
        };
      }
      if (!this.#load.takeFrom(from.host, nowMs)) return DROPPED;
    }
    const noise = respondNoise(identity, prologueOf(init), init.subarray(INIT_HEADER_BYTES, mac1At));
    if (noise === undefined || noise.payload.length < OFFER.bytes) return DROPPED;
    const initiator = formatKey(noise.initiatorKey);
    const isAllowed = this.allows(initiator);
    this.#began ??= { unixMs: this.#options.unixMs(), atMs: nowMs };
    const offeredUnixMs = readUint64(noise.payload, OFFER.unixMs);
    const unixMs = this.#began.unixMs + nowMs - this.#began.atMs;
    const answer = { noise, initiatorSession, localSession, random };
    // P-102
    if (Math.abs(offeredUnixMs - unixMs) > HORIZON_MS) {
      return { kind: 'refused', why: 'clock', datagram: refusal(answer, VERDICT.clock, unixMs) };
    }
    // P-103
    const strike = this.#strikes.add(noise.ephemeralKey, nowMs);
    if (strike === 'seen') return DROPPED;
    const capability = noise.payload.subarray(OFFER.capability, OFFER.resetToken);
    // P-104: both are looked at, whatever the first one says.
    const isCapable = sodium_memcmp(capability, this.#capability);
    if (!isAllowed || !isCapable) {
      return {
        kind: 'refused',
        why: 'unauthorized',
        datagram: refusal(answer, VERDICT.unauthorized, localSession),
      };
    }
    // P-103
    const fresh = strike === 'new' && offeredUnixMs >= this.#startedUnixMs;
    const acceptance = new SealedAcceptance(answer, initiator, fresh, this.resetToken(localSession));
    return { kind: 'accepted', acceptance };
  }

  allows(initiator: string): boolean {
    return this.#options.allows?.(initiator) ?? true;
  }

  // P-4
  sessionId(random: number): number {
    const made = new Uint8Array(8);
    writeUint64(made, 0, random);
    const mac = new Uint8Array(MAC_BYTES);
    crypto_generichash(mac, made, this.#sessionKey);
    // Never 0, so that a random number of 0 makes an id, too.
    const check = new DataView(mac.buffer).getUint32(0) || 1;
    return random * SESSION_CHECK_RANGE + check;
  }

  mayHaveIssued(id: number): boolean {
    return this.sessionId(Math.floor(id / SESSION_CHECK_RANGE)) === id;
  }

  // P-3: mac1 stands at the same place in the first datagram of every version.
  isMeantForUs(datagram: Uint8Array): boolean {
    const mac1At = datagram.length - MACS_BYTES;
    return datagram.length >= MIN_DATAGRAM_BYTES && this.#ownMacs.hasMac1(datagram, mac1At);
  }

  resetToken(id: number): Uint8Array {
    const token = new Uint8Array(RESET_TOKEN_BYTES);
    const idBytes = new Uint8Array(8);
    writeUint64(idBytes, 0, id);
    crypto_generichash(token, idBytes, this.#resetKey);
    return token;
  }
}

class SealedInitiation implements Initiation {
  readonly headerBytes = INIT_FRAMES_AT;
  readonly trailerBytes = INIT_TRAILER_BYTES;
  readonly #options: SealedOptions;
  readonly #ownMacs: PublicMacs;
  readonly #remoteMacs: PublicMacs;
  readonly #localSession: number;
  readonly #resetToken: Uint8Array;
  readonly #remote: Remote;
  readonly #hints: AttemptHints;
  #noise: NoiseInitiation | undefined;
  #mac1: Uint8Array | undefined;

  constructor(
    options: SealedOptions,
    ownMacs: PublicMacs,
    localSession: number,
    resetToken: Uint8Array,
    remote: Remote,
    hints: AttemptHints,
  ) {
    this.#options = options;
    this.#ownMacs = ownMacs;
    this.#remoteMacs = new PublicMacs(remote.key);
    this.#localSession = localSession;
    this.#resetToken = resetToken;
    this.#remote = remote;
    this.#hints = hints;
  }

  seal(buffer: Uint8Array, framesEnd: number): Uint8Array {
    const { identity, random, unixMs } = this.#options;
    const { cookie, clockAheadMs = 0 } = this.#hints;
    writeInitHeader(buffer, this.#localSession);
    const payload = buffer.subarray(INIT_FRAMES_AT - OFFER.bytes, framesEnd);
    writeUint64(payload, OFFER.unixMs, Math.max(0, Math.round(unixMs() + clockAheadMs)));
    payload.set(this.#remote.capability, OFFER.capability);
    payload.set(this.#resetToken, OFFER.resetToken);
    const noise = initiateNoise(identity, this.#remote.key, prologueOf(buffer), random.bytes(32), payload);
    buffer.set(noise.message, INIT_HEADER_BYTES);
    const mac1At = framesEnd + TAG_BYTES;
    const mac2At = mac1At + MAC_BYTES;
    const end = mac2At + MAC_BYTES;
    this.#remoteMacs.writeMac1(buffer, mac1At);
    writeMac2(buffer, mac2At, cookie);
    this.#noise = noise;
    this.#mac1 = Uint8Array.from(buffer.subarray(mac1At, mac2At));
    return buffer.subarray(0, end);
  }

  complete(resp: Uint8Array, responderSession: number): HandshakeAnswer | undefined {
    const mac1At = resp.length - MAC_BYTES;
    if (mac1At < RESP_FRAMES_AT + TAG_BYTES || !this.#ownMacs.hasMac1(resp, mac1At)) return undefined;
    const noise = this.#noise?.complete(resp.subarray(RESP_HEADER_BYTES, mac1At));
    if (noise === undefined || noise.payload.length < WELCOME.bytes) return undefined;
    const { payload, keys } = noise;
    switch (payload[WELCOME.verdict]) {
      case VERDICT.welcome: {
        if (readUint64(payload, WELCOME.session) !== responderSession) return undefined;
        const resetToken = payload.subarray(WELCOME.resetToken, WELCOME.bytes);
        return {
          kind: 'welcome',
          opened: { packetNumber: 0, frames: payload.subarray(WELCOME.bytes) },
          keys: new SealedKeys(responderSession, resetToken, keys),
        };
      }
      case VERDICT.unauthorized:
        return { kind: 'unauthorized' };
      case VERDICT.clock:
        return { kind: 'clock', clockAheadMs: readUint64(payload, WELCOME.session) - this.#options.unixMs() };
      default:
        return undefined;
    }
  }

  openCookie(datagram: Uint8Array): Uint8Array | undefined {
    return this.#mac1 && this.#remoteMacs.openCookie(datagram, this.#mac1);
  }
}

/** What an answer to an INIT is made of. */
interface AnswerParts {
  readonly noise: NoiseResponse;
  readonly initiatorSession: number;
  readonly localSession: number;
  readonly random: Random;
}

class SealedAcceptance implements Acceptance {
  readonly headerBytes = RESP_FRAMES_AT;
  readonly trailerBytes = RESP_TRAILER_BYTES;
  readonly initiator: string;
  readonly fresh: boolean;
  readonly opened: Acceptance['opened'];
  readonly keys: SealedKeys;
  readonly #parts: AnswerParts;
  readonly #resetToken: Uint8Array;

  constructor(parts: AnswerParts, initiator: string, fresh: boolean, resetToken: Uint8Array) {
    const { payload } = parts.noise;
    this.#parts = parts;
    this.#resetToken = resetToken;
    this.initiator = initiator;
    this.fresh = fresh;
    this.opened = { packetNumber: 0, frames: payload.subarray(OFFER.bytes) };
    this.keys = new SealedKeys(parts.initiatorSession, payload.subarray(OFFER.resetToken, OFFER.bytes));
  }

  seal(buffer: Uint8Array, framesEnd: number): Uint8Array {
    const payload = buffer.subarray(RESP_FRAMES_AT - WELCOME.bytes, framesEnd);
    payload[WELCOME.verdict] = VERDICT.welcome;
    writeUint64(payload, WELCOME.session, this.#parts.localSession);
    payload.set(this.#resetToken, WELCOME.resetToken);
    const { end, keys } = sealAnswer(this.#parts, buffer, payload);
    this.keys.keys = keys;
    return buffer.subarray(0, end);
  }
}

/** An answer that makes no session. */
function refusal(parts: AnswerParts, verdict: number, number: number): Uint8Array {
  const datagram = new Uint8Array(RESP_FRAMES_AT + RESP_TRAILER_BYTES);
  const payload = new Uint8Array(WELCOME.bytes);
  payload[WELCOME.verdict] = verdict;
  writeUint64(payload, WELCOME.session, Math.round(number));
  sealAnswer(parts, datagram, payload);
  return datagram;
}

function sealAnswer(
  { noise, initiatorSession, localSession, random }: AnswerParts,
  buffer: Uint8Array,
  payload: Uint8Array,
): { readonly end: number; readonly keys: ReturnType<NoiseResponse['answer']>['keys'] } {
  writeRespHeader(buffer, initiatorSession, localSession);
  const { message, keys } = noise.answer(random.bytes(32), payload);
  buffer.set(message, RESP_HEADER_BYTES);
  const mac1At = RESP_HEADER_BYTES + message.length;
  new PublicMacs(noise.initiatorKey).writeMac1(buffer, mac1At);
  return { end: mac1At + MAC_BYTES, keys };
}

/** The name of the protocol, and the header: nobody can change the session id on the way. */
function prologueOf(init: Uint8Array): Uint8Array {
  return Buffer.concat([PROLOGUE, init.subarray(0, INIT_HEADER_BYTES)]);
}
