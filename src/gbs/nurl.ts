// Addresses of storage servers that speak Tahoe-LAFS's HTTP storage protocol ("Great Black Swamp"):
// `pb://SPKI@HOST:PORT/SWISSNUM#v=1`. An address is a secret: whoever knows it may use the server.

/** The parts of an address. */
export interface Nurl {
  /** SHA-256 of the SubjectPublicKeyInfo of the server's certificate (RFC 7469), 32 bytes. */
  readonly spkiHash: Uint8Array;
  /** A name or an IP address without brackets. */
  readonly host: string;
  readonly port: number;
  /** The secret that lets its bearer in; printable ASCII. */
  readonly swissnum: string;
}

/** What a text is instead of an address. */
export class NurlError extends Error {
  override readonly name: string = 'NurlError';
  readonly code: 'BAD_ADDRESS' = 'BAD_ADDRESS';
}

/** Whether a text is meant as one of these addresses. */
export function isHttpAddress(text: string): boolean {
  return text.startsWith('pb://');
}

/** Reads an address. @throws NurlError that says what is wrong; it does not repeat the secret. */
export function parseNurl(text: string): Nurl {
  const match = NURL.exec(text);
  if (match === null) throw new NurlError('it is not of that form');
  const [, spki, bracketed, plain, portText, swissnum, fragment] = match;
  // Without the fragment it is a FURL of Foolscap, Tahoe-LAFS's older protocol.
  if (fragment !== 'v=1')
    throw new NurlError('it does not end in "#v=1", so it is no address of the HTTP protocol');
  const spkiHash = Buffer.from(spki!, 'base64url');
  if (spkiHash.length !== SPKI_HASH_BYTES || spkiHash.toString('base64url') !== spki) {
    throw new NurlError('its key is no SHA-256 in unpadded base64url');
  }
  const port = Number(portText);
  if (port < 1 || port > 65_535) throw new NurlError(`its port is ${port}, not 1 to 65535`);
  return { spkiHash: new Uint8Array(spkiHash), host: (bracketed ?? plain)!, port, swissnum: swissnum! };
}

/** The reverse of {@link parseNurl}. */
export function formatNurl(nurl: Nurl): string {
  const { spkiHash, swissnum } = nurl;
  return `pb://${Buffer.from(spkiHash).toString('base64url')}@${formatHost(nurl)}/${swissnum}#v=1`;
}

/**
 * What a server is called in messages: enough to tell it from others and to find it, without the secret.
 * `pb://r74OZ9Nb…@127.0.0.1:39401`.
 */
export function nurlName(nurl: Nurl): string {
  const key = Buffer.from(nurl.spkiHash).toString('base64url').slice(0, NAME_KEY_LETTERS);
  return `pb://${key}…@${formatHost(nurl)}`;
}

function formatHost({ host, port }: Nurl): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

const NURL =
  /^pb:\/\/([A-Za-z0-9_-]+)@(?:\[([0-9a-fA-F:.]+)\]|([^:@/[\]]+)):(\d{1,5})\/([!"$-~]+)(?:#(.*))?$/;
const SPKI_HASH_BYTES = 32;
const NAME_KEY_LETTERS = 8;
