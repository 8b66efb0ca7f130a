// The outside of a datagram: kind, version, session ids, packet number. What is inside (frames) is in frame.ts;
// who may open it is session/'s business. Layouts: spec/protocol.md, "Datagrams".

import { readUint64, writeUint64 } from './varint.ts';

/** The version of this protocol, in the upper four bits of each datagram's first byte. */
export const PROTOCOL_VERSION = 1;

/** Every path must carry datagrams of this size (RFC 9000, section 14). */
export const MIN_DATAGRAM_BYTES = 1200;

/** Lower four bits of the first byte. `version` is the same in every version of the protocol. */
export const KIND = {
  version: 0,
  init: 1,
  resp: 2,
  data: 3,
  noSession: 4,
  cookie: 5,
} as const;

export const INIT_HEADER_BYTES = 9;
export const RESP_HEADER_BYTES = 17;
export const DATA_HEADER_BYTES = 17;
/** Shorter than any DATA that carries a frame, so that two ends can never echo. */
export const NO_SESSION_BYTES = 25;
export const RESET_TOKEN_BYTES = 16;
export const COOKIE_HEADER_BYTES = 9;

/** The outside of a received datagram; session ids are chosen by who receives with them. */
export type DatagramHeader =
  | { readonly kind: 'version'; readonly versions: Uint8Array }
  | { readonly kind: 'init'; readonly from: number }
  | { readonly kind: 'resp'; readonly to: number; readonly from: number }
  | { readonly kind: 'data'; readonly to: number; readonly packetNumber: number }
  | { readonly kind: 'no-session'; readonly to: number; readonly token: Uint8Array }
  | { readonly kind: 'cookie'; readonly to: number }
  | { readonly kind: 'unknown-version' }
  | { readonly kind: 'malformed' };

const MALFORMED: DatagramHeader = { kind: 'malformed' };
const UNKNOWN_VERSION: DatagramHeader = { kind: 'unknown-version' };

/** Reads the outside of a datagram. Never throws. */
export function readHeader(datagram: Uint8Array): DatagramHeader {
  if (datagram.length === 0) return MALFORMED;
  const first = datagram[0]!;
  const kind = first & 0x0f;
  if (kind === KIND.version) return { kind: 'version', versions: datagram.subarray(1) };
  // P-1, P-2
  if (first >>> 4 !== PROTOCOL_VERSION) return UNKNOWN_VERSION;
  const id = readUint64(datagram, 1);
  if (id <= 0) return MALFORMED;
  switch (kind) {
    case KIND.init:
      return { kind: 'init', from: id };
    case KIND.resp: {
      const from = readUint64(datagram, 9);
      return from <= 0 ? MALFORMED : { kind: 'resp', to: id, from };
    }
    case KIND.data: {
      const packetNumber = readUint64(datagram, 9);
      return packetNumber < 0 ? MALFORMED : { kind: 'data', to: id, packetNumber };
    }
    case KIND.noSession:
      if (datagram.length !== NO_SESSION_BYTES) return MALFORMED;
      return { kind: 'no-session', to: id, token: datagram.subarray(9) };
    case KIND.cookie:
      return { kind: 'cookie', to: id };
    default:
      return MALFORMED;
  }
}

export function writeInitHeader(target: Uint8Array, from: number): number {
  target[0] = firstByte(KIND.init);
  return writeUint64(target, 1, from);
}

export function writeRespHeader(target: Uint8Array, to: number, from: number): number {
  target[0] = firstByte(KIND.resp);
  writeUint64(target, 1, to);
  return writeUint64(target, 9, from);
}

export function writeDataHeader(target: Uint8Array, to: number, packetNumber: number): number {
  target[0] = firstByte(KIND.data);
  writeUint64(target, 1, to);
  return writeUint64(target, 9, packetNumber);
}

export function writeCookieHeader(target: Uint8Array, to: number): number {
  target[0] = firstByte(KIND.cookie);
  return writeUint64(target, 1, to);
}

/** "I do not know this session": `to` is the id that the unknown DATA was addressed to. */
export function noSessionDatagram(to: number, token: Uint8Array): Uint8Array {
  const datagram = new Uint8Array(NO_SESSION_BYTES);
  datagram[0] = firstByte(KIND.noSession);
  datagram.set(token, writeUint64(datagram, 1, to));
  return datagram;
}

/** The answer to a datagram of an unknown version: the versions spoken here. Never answered itself. */
export function versionDatagram(): Uint8Array {
  return Uint8Array.of(firstByte(KIND.version), PROTOCOL_VERSION);
}

function firstByte(kind: number): number {
  return (PROTOCOL_VERSION << 4) | kind;
}
