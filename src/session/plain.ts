// The protection that protects nothing but against strangers who cannot see the traffic: 53-bit random session
// ids. It has the same shape (two-message handshake, ids, counters) as the sealed one that replaces it.

import { createHash } from 'node:crypto';
import {
  DATA_HEADER_BYTES,
  INIT_HEADER_BYTES,
  RESET_TOKEN_BYTES,
  RESP_HEADER_BYTES,
  writeDataHeader,
  writeInitHeader,
  writeRespHeader,
} from '../wire/datagram.ts';
import type { Protection, SessionKeys } from './protection.ts';

/** Datagrams in the clear. Security rests on nobody reading them on the way: spec/protocol.md, "Plain sessions". */
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
        opened: { packetNumber: 0, frames: resp.subarray(RESP_HEADER_BYTES) },
        keys: plainKeys(responderSession),
      }),
    }),
    accept: (init, initiatorSession, localSession) => ({
      opened: { packetNumber: 0, frames: init.subarray(INIT_HEADER_BYTES) },
      headerBytes: RESP_HEADER_BYTES,
      trailerBytes: 0,
      seal(buffer, framesEnd) {
        writeRespHeader(buffer, initiatorSession, localSession);
        return buffer.subarray(0, framesEnd);
      },
      keys: plainKeys(initiatorSession),
    }),
    resetToken,
    verifiesReset: (id, token) => resetToken(id).every((byte, index) => byte === token[index]),
  };
}

function plainKeys(remoteSession: number): SessionKeys {
  return {
    headerBytes: DATA_HEADER_BYTES,
    trailerBytes: 0,
    seal(buffer, framesEnd, packetNumber) {
      writeDataHeader(buffer, remoteSession, packetNumber);
      return buffer.subarray(0, framesEnd);
    },
    open: (datagram, packetNumber) => ({ packetNumber, frames: datagram.subarray(DATA_HEADER_BYTES) }),
  };
}

/** Nobody can make it who has not seen the id; with sealed sessions it is keyed. */
function resetToken(id: number): Uint8Array {
  return createHash('sha256').update(`nevermind reset ${id}`).digest().subarray(0, RESET_TOKEN_BYTES);
}
