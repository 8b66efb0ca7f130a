// First datagrams, answers to them, cookies and packets, as they come to the seal: whatever they are, there is a verdict.
// The first byte of an input says which door it goes to, and whether it has the code that shows that its sender knows
// the key.

import { PublicMacs } from '../../../src/session/cookies.ts';
import { Identity } from '../../../src/session/identity.ts';
import { remoteOf, sealedProtection } from '../../../src/session/sealed.ts';
import { SealedKeys } from '../../../src/session/sealed-keys.ts';
import { MIN_DATAGRAM_BYTES, RESET_TOKEN_BYTES } from '../../../src/wire/datagram.ts';
import { assert, CountingRandom, type FuzzTarget } from '../target.ts';

const random = new CountingRandom();
const server = new Identity(new Uint8Array(32).fill(1));
const client = new Identity(new Uint8Array(32).fill(2));
const unixMs = (): number => 1_700_000_000_000;
const serverSide = sealedProtection({ identity: server, swissnum: 's', place: 's', random, unixMs });
const clientSide = sealedProtection({ identity: client, swissnum: 'c', place: 'c', random, unixMs });
const macs = new PublicMacs(server.publicKey);
const clientMacs = new PublicMacs(client.publicKey);
const FROM = { host: '10.0.0.1', port: 1000 };
const MACS_BYTES = 32;
const MAC_BYTES = 16;

const attempt = clientSide.initiate(7, remoteOf(server.publicKey, 's'), {});
const init = attempt.seal(new Uint8Array(2000), MIN_DATAGRAM_BYTES - attempt.trailerBytes).slice();
const keys = new SealedKeys(9, new Uint8Array(RESET_TOKEN_BYTES), {
  send: new Uint8Array(32),
  receive: new Uint8Array(32),
});

export const target: FuzzTarget = {
  maxBytes: MIN_DATAGRAM_BYTES + 100,
  covers: ['session/'],
  seeds: [0, 1, 2, 3, 4, 5].map((door) => Uint8Array.of(door, ...init)),
  run(input) {
    const datagram = input.slice(1);
    switch ((input[0] ?? 0) % 6) {
      case 0:
        serverSide.accept(datagram, 7, 8, FROM, 0);
        return;
      case 1: {
        if (datagram.length < MIN_DATAGRAM_BYTES) return;
        macs.writeMac1(datagram, datagram.length - MACS_BYTES);
        const admission = serverSide.accept(datagram, 7, 8, FROM, 0);
        if (admission.kind !== 'accepted') return;
        assert(admission.acceptance.initiator === client.name, 'nobody is taken for somebody else');
        return;
      }
      case 2:
        if (datagram.length > MAC_BYTES) clientMacs.writeMac1(datagram, datagram.length - MAC_BYTES);
        assert(attempt.complete(datagram, 9) === undefined, 'nobody answers in the place of the server');
        return;
      case 3:
        assert(attempt.openCookie(datagram) === undefined, 'nobody makes cookies in its place');
        return;
      case 4:
        assert(typeof keys.open(datagram, datagram[0] ?? 0) === 'string', 'nobody forges a packet');
        return;
      default:
        keys.isResetToken(datagram);
    }
  },
};
