// A protection that protects nothing, for tests that look into datagrams and forge them: session ids and packet
// numbers in the clear, frames as they are. It has the shape of the sealed one: two-message handshake, ids, counters.

import { createHash } from 'node:crypto';
import type { Protection, SessionKeys } from '../../src/session/protection.ts';
import { ReplayWindow } from '../../src/session/replay-window.ts';
import {
  DATA_HEADER_BYTES,
  INIT_HEADER_BYTES,
  MIN_DATAGRAM_BYTES,
  RESET_TOKEN_BYTES,
  RESP_HEADER_BYTES,
  writeDataHeader,
  writeInitHeader,
  writeRespHeader,
} from '../../src/wire/datagram.ts';
import { readUint64 } from '../../src/wire/varint.ts';

/** Where a tag would stand: zeros, which are PADDING frames. */
export const PLAIN_TAG_BYTES = 16;

/** Datagrams in the clear. */
export function plainProtection(): Protection {
  return {
    initiate: (localSession) => ({
      headerBytes: INIT_HEADER_BYTES,
      trailerBytes: 0,
      seal(buffer, framesEnd) {
        writeInitHeader(buffer, localSession);
        return buffer.subarray(0, framesEnd);
      },
      complete: (resp, responderSession) => ({
        kind: 'welcome',
        opened: { packetNumber: 0, frames: resp.subarray(RESP_HEADER_BYTES) },
        keys: plainKeys(responderSession),
      }),
      openCookie: () => undefined,
    }),
    accept: (init, initiatorSession, localSession) =>
      init.length < MIN_DATAGRAM_BYTES
        ? { kind: 'dropped' }
        : {
            kind: 'accepted',
            acceptance: {
              // Who calls with another epoch is somebody else.
              initiator: `${readUint64(init, INIT_HEADER_BYTES + 1)}`,
              fresh: true,
              opened: { packetNumber: 0, frames: init.subarray(INIT_HEADER_BYTES) },
              headerBytes: RESP_HEADER_BYTES,
              trailerBytes: 0,
              seal(buffer, framesEnd) {
                writeRespHeader(buffer, initiatorSession, localSession);
                return buffer.subarray(0, framesEnd);
              },
              keys: plainKeys(initiatorSession),
            },
          },
    allows: () => true,
    sessionId: (random) => random * 2 ** 32 + 1,
    mayHaveIssued: (id) => id % 2 ** 32 === 1,
    isMeantForUs: (datagram) => datagram.length >= MIN_DATAGRAM_BYTES,
    resetToken,
  };
}

function plainKeys(remoteSession: number): SessionKeys {
  const window = new ReplayWindow();
  return {
    headerBytes: DATA_HEADER_BYTES,
    trailerBytes: PLAIN_TAG_BYTES,
    seal(buffer, framesEnd, packetNumber) {
      writeDataHeader(buffer, remoteSession, packetNumber);
      const end = framesEnd + PLAIN_TAG_BYTES;
      buffer.fill(0, framesEnd, end);
      return buffer.subarray(0, end);
    },
    open(datagram, packetNumber) {
      if (!window.accepts(packetNumber)) return 'seen';
      window.add(packetNumber);
      return { packetNumber, frames: datagram.subarray(DATA_HEADER_BYTES) };
    },
    isResetToken: (token) => Buffer.from(token).equals(resetToken(remoteSession)),
    wipe() {},
  };
}

function resetToken(id: number): Uint8Array {
  return createHash('sha256').update(`${id}`).digest().subarray(0, RESET_TOKEN_BYTES);
}
