// Two sealed endpoints, and a stranger who has got hold of all keys: what it says is sealed as it should be, and gets behind
// the seal; what it changes on the way does not. endpoint-play.ts.

import { Identity } from '../../../src/session/identity.ts';
import type { Protection, SessionKeys } from '../../../src/session/protection.ts';
import { remoteOf, type SealedOptions, sealedProtection } from '../../../src/session/sealed.ts';
import { MIN_DATAGRAM_BYTES, readHeader } from '../../../src/wire/datagram.ts';
import { CLIENT, EndpointPlay, FRAMES, SCRIPTS, type Voice } from '../endpoint-play.ts';
import { Bytes, CountingRandom, type FuzzTarget } from '../target.ts';

const server = new Identity(new Uint8Array(32).fill(1));
const client = new Identity(new Uint8Array(32).fill(2));
const stranger = new Identity(new Uint8Array(32).fill(3));
const SWISSNUM = 's';
/** Few enough that a script gets the server under load. */
const LIMITS = { easyPerSecond: 2, perNetworkBurst: 2 };

export const target: FuzzTarget = {
  maxBytes: 1024,
  covers: [
    'session/',
    'protocol/entrance.ts',
    'protocol/handshakes.ts',
    'protocol/session-table.ts',
    'protocol/client-peer.ts',
    'protocol/server-peer.ts',
    'protocol/link.ts',
  ],
  seeds: SCRIPTS,
  dictionary: FRAMES,
  run(input) {
    const random = new CountingRandom();
    new EndpointPlay(new Bytes(input), sealedVoice(random), random).run();
  },
};

function sealedVoice(random: CountingRandom): Voice {
  const protectionOf = (identity: Identity, limits?: SealedOptions['limits']): Protection =>
    sealedProtection({
      identity,
      swissnum: SWISSNUM,
      place: '',
      random,
      unixMs: () => 1_700_000_000_000,
      limits,
    });
  const clientSide = protectionOf(client);
  const serverSide = protectionOf(server, LIMITS);
  /** Answers in the place of the server, which has not seen what it is asked. */
  const twin = protectionOf(server);
  const intruder = protectionOf(stranger);
  const remote = remoteOf(server.publicKey, SWISSNUM);
  const keys: { client?: SessionKeys; server?: SessionKeys } = {};
  let lastInit: Uint8Array | undefined;
  let forged = 1000;

  /** The keys of one side, which the stranger loses when their owner does. */
  const watched = (side: 'client' | 'server', own: SessionKeys): SessionKeys => ({
    headerBytes: own.headerBytes,
    trailerBytes: own.trailerBytes,
    seal: (buffer, framesEnd, packetNumber) => own.seal(buffer, framesEnd, packetNumber),
    open: (datagram, packetNumber) => own.open(datagram, packetNumber),
    isResetToken: (token) => own.isResetToken(token),
    wipe() {
      if (keys[side] === own) delete keys[side];
      own.wipe();
    },
  });

  const data = (side: 'client' | 'server', frames: Uint8Array): Uint8Array | undefined => {
    const own = keys[side];
    if (own === undefined) return undefined;
    const buffer = new Uint8Array(own.headerBytes + frames.length + own.trailerBytes);
    buffer.set(frames, own.headerBytes);
    return own.seal(buffer, own.headerBytes + frames.length, forged++);
  };

  return {
    remote,
    client: {
      ...bound(clientSide),
      initiate(localSession, to, hints) {
        const own = clientSide.initiate(localSession, to, hints);
        return {
          headerBytes: own.headerBytes,
          trailerBytes: own.trailerBytes,
          seal: (buffer, framesEnd) => own.seal(buffer, framesEnd),
          openCookie: (datagram) => own.openCookie(datagram),
          complete(resp, responderSession) {
            const answer = own.complete(resp, responderSession);
            if (answer?.kind !== 'welcome') return answer;
            keys.client = answer.keys;
            return { ...answer, keys: watched('client', answer.keys) };
          },
        };
      },
    },
    server: {
      ...bound(serverSide),
      accept(...args) {
        const admission = serverSide.accept(...args);
        if (admission.kind !== 'accepted') return admission;
        const { acceptance: own } = admission;
        return {
          kind: 'accepted',
          acceptance: {
            initiator: own.initiator,
            fresh: own.fresh,
            opened: own.opened,
            headerBytes: own.headerBytes,
            trailerBytes: own.trailerBytes,
            keys: watched('server', own.keys),
            seal(buffer, framesEnd) {
              const datagram = own.seal(buffer, framesEnd);
              // Usable from now on.
              keys.server = own.keys;
              return datagram;
            },
          },
        };
      },
    },
    overhear(datagram) {
      if (readHeader(datagram).kind === 'init') lastInit = datagram.slice();
    },
    dataToServer: (frames) => data('client', frames),
    dataToClient: (frames) => data('server', frames),
    init(frames) {
      const attempt = intruder.initiate(forged++, remote, {});
      const buffer = new Uint8Array(MIN_DATAGRAM_BYTES);
      buffer.set(frames, attempt.headerBytes);
      return attempt.seal(buffer, MIN_DATAGRAM_BYTES - attempt.trailerBytes);
    },
    resp(frames, nowMs) {
      const header = lastInit && readHeader(lastInit);
      if (lastInit === undefined || header?.kind !== 'init') return undefined;
      const admission = twin.accept(lastInit.slice(), header.from, forged++, CLIENT, nowMs);
      if (admission.kind !== 'accepted') return 'datagram' in admission ? admission.datagram : undefined;
      const { acceptance } = admission;
      const end = acceptance.headerBytes + frames.length;
      const buffer = new Uint8Array(end + acceptance.trailerBytes);
      buffer.set(frames, acceptance.headerBytes);
      return acceptance.seal(buffer, end);
    },
  };
}

/** With its methods as properties, so that some can be replaced. */
function bound(own: Protection): Protection {
  return {
    initiate: (...args) => own.initiate(...args),
    accept: (...args) => own.accept(...args),
    allows: (initiator) => own.allows(initiator),
    sessionId: (random) => own.sessionId(random),
    mayHaveIssued: (id) => own.mayHaveIssued(id),
    isMeantForUs: (datagram) => own.isMeantForUs(datagram),
    resetToken: (id) => own.resetToken(id),
  };
}
