// The key and the self-signed certificate with which our server shows clients over HTTP who it is: made once, kept by
// whoever runs the server. Clients look at the key only, which the server's address names; so the certificate says as
// little as X.509 (RFC 5280) allows, and does not end.

import {
  createHash,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto';
import { concatBytes } from '../base/bytes.ts';

/** Both in PEM. */
export interface TlsIdentity {
  readonly privateKey: string;
  readonly certificate: string;
}

/** A new key, on the curve secp256r1, and its certificate. */
export function makeTlsIdentity(): TlsIdentity {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const certificate = new X509Certificate(certificateOf(publicKey, privateKey));
  return {
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    certificate: certificate.toString(),
  };
}

/** SHA-256 of a certificate's SubjectPublicKeyInfo, by which addresses name it. */
export function spkiHashOf(certificate: X509Certificate | string): Uint8Array {
  const { publicKey } = typeof certificate === 'string' ? new X509Certificate(certificate) : certificate;
  return new Uint8Array(createHash('sha256').update(spkiOf(publicKey)).digest());
}

/** RFC 5280, 4.1, in DER. */
function certificateOf(publicKey: KeyObject, privateKey: KeyObject): Uint8Array {
  const algorithm = der(TAG.sequence, ECDSA_WITH_SHA256);
  const name = nameOf('nevermind storage node');
  const content = der(
    TAG.sequence,
    der(TAG.version, der(TAG.integer, Uint8Array.of(2))),
    // A positive number (its first bit is 0) that does not begin with a zero byte.
    der(TAG.integer, Uint8Array.of(1), randomBytes(15)),
    algorithm,
    name,
    der(TAG.sequence, text(TAG.utcTime, NOT_BEFORE), text(TAG.generalizedTime, NOT_AFTER)),
    name,
    spkiOf(publicKey),
  );
  const signature = sign('sha256', content, privateKey);
  // A bit string says first how many bits of its last byte are not used.
  return der(TAG.sequence, content, algorithm, der(TAG.bitString, Uint8Array.of(0), signature));
}

/** One relative distinguished name with a common name. */
function nameOf(commonName: string): Uint8Array {
  const attribute = der(TAG.sequence, COMMON_NAME, text(TAG.utf8String, commonName));
  return der(TAG.sequence, der(TAG.set, attribute));
}

function spkiOf(publicKey: KeyObject): Uint8Array {
  return publicKey.export({ type: 'spki', format: 'der' });
}

/** An element: tag, length, and the parts of its content one after the other. */
function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = concatBytes(parts);
  const { length } = content;
  const lengthBytes =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >>> 8, length & 0xff];
  return concatBytes([Uint8Array.of(tag, ...lengthBytes), content]);
}

function text(tag: number, value: string): Uint8Array {
  return der(tag, Buffer.from(value));
}

const TAG = {
  integer: 0x02,
  bitString: 0x03,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
  /** `[0]`, explicit. */
  version: 0xa0,
} as const;

/** 1.2.840.10045.4.3.2, RFC 5758. */
const ECDSA_WITH_SHA256 = Uint8Array.of(0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02);
/** 2.5.4.3, RFC 4519. */
const COMMON_NAME = Uint8Array.of(0x06, 0x03, 0x55, 0x04, 0x03);
const NOT_BEFORE = '200101000000Z';
/** RFC 5280, 4.1.2.5: no well-defined end. */
const NOT_AFTER = '99991231235959Z';
