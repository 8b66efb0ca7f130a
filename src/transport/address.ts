// Addresses of peers as users write them: `nm://KEY@HOST:PORT[,HOST:PORT…]/SWISSNUM`. Who has one may call; so an
// address is a secret, and what is printed of it leaves key and swissnum out.

import { base64urlDecode, base64urlEncode } from '../base/base64url.ts';
import { RpcError } from './error.ts';

/** A host name or an IP address without brackets, and a port. */
export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

/** The parts of an address. */
export interface SealedAddress {
  /** The server's X25519 public key, 32 bytes. */
  readonly key: Uint8Array;
  /** Where it may be, the likeliest first; at least one. */
  readonly hosts: readonly [HostAndPort, ...HostAndPort[]];
  /** What names the service at that server, and proves that one was told of it; no more than 128 letters. */
  readonly swissnum: string;
}

const FORM = 'nm://KEY@HOST:PORT/SWISSNUM';
const KEY_BYTES = 32;
/** Hosts of one address at most. */
const MAX_HOSTS = 8;
const SWISSNUM = /^[A-Za-z0-9_-]{1,128}$/;

/** Reads an address (a final `/` is allowed). @throws RpcError BAD_ARGUMENT saying what is wrong, but no secret. */
export function parseAddress(address: string): SealedAddress {
  const match = /^nm:\/\/([^@/]*)@([^@/]*)\/([^/]*)\/?$/.exec(address);
  if (match === null) throw notAnAddress(address, whyNot(address));
  const [, keyText, hostsText, swissnum] = match as unknown as [string, string, string, string];
  const key = base64urlDecode(keyText);
  if (key?.length !== KEY_BYTES) {
    throw notAnAddress(
      address,
      `the key has ${keyText.length} characters, or others than base64url's; it has 43`,
    );
  }
  const hosts = hostsText.split(',').map((text, index) => parseHost(address, text, index));
  const [first, ...others] = hosts;
  if (first === undefined || hosts.length > MAX_HOSTS) {
    throw notAnAddress(address, `it names ${hosts.length} hosts, not 1 to ${MAX_HOSTS}`);
  }
  if (!SWISSNUM.test(swissnum)) {
    throw notAnAddress(address, 'the swissnum is not 1 to 128 letters, digits, "-" or "_"');
  }
  return { key, hosts: [first, ...others], swissnum };
}

/** The reverse of {@link parseAddress}. */
export function formatAddress({ key, hosts, swissnum }: SealedAddress): string {
  return `nm://${base64urlEncode(key)}@${formatHosts(hosts)}/${swissnum}`;
}

/** Whether this may be a swissnum. */
export function isSwissnum(text: string): boolean {
  return SWISSNUM.test(text);
}

/** What may be printed of an address, right or wrong: `nm://HOST:PORT`, without key and swissnum. */
export function printableAddress(address: string): string {
  const hosts = /^nm:\/\/(?:[^@/]*@)?([^@/]*)/.exec(address)?.[1]?.split(',').map(parseSocketAddress);
  // A key where a host belongs stays a secret.
  const known = hosts?.filter((host) => host !== undefined).filter(({ host }) => !isKey(host)) ?? [];
  return `nm://${known.length === 0 ? '…' : formatHosts(known)}`;
}

function isKey(text: string): boolean {
  return base64urlDecode(text)?.length === KEY_BYTES;
}

/** `127.0.0.1:4820`, `[::1]:4820`. */
export function formatSocketAddress({ host, port }: HostAndPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Reads one `HOST:PORT`; `undefined` when it is none. */
export function parseSocketAddress(text: string): HostAndPort | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]/@,\s]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  return match === null || port < 1 || port > 65_535 ? undefined : { host: (match[1] ?? match[2])!, port };
}

/** Where a socket that is bound to all interfaces is reached from this machine: over loopback. Others know its name. */
export function reachableAddress({ host, port }: HostAndPort): HostAndPort {
  return { host: host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host, port };
}

function formatHosts(hosts: readonly HostAndPort[]): string {
  return hosts.map(formatSocketAddress).join(',');
}

function parseHost(address: string, text: string, index: number): HostAndPort {
  const host = parseSocketAddress(text);
  // By its place: what stands there may be the swissnum.
  if (host === undefined)
    throw notAnAddress(address, `host ${index + 1} behind the @ is no HOST:PORT with a port from 1 to 65535`);
  return host;
}

function whyNot(address: string): string {
  if (!address.startsWith('nm://')) return 'it does not begin with nm://';
  if (!address.includes('@')) return 'the key is missing: the server prints its whole address when it starts';
  return 'host or swissnum is missing: the server prints its whole address when it starts';
}

function notAnAddress(address: string, why: string): RpcError {
  const peer = printableAddress(address);
  return new RpcError('BAD_ARGUMENT', `${peer} is no peer address: ${why}; write ${FORM}`, { peer });
}

// ---- what may be printed of an address

/** `nm://host:port`: where a peer is, without the key and the swissnum that let one in. */
export function formatPeerAddress(host: HostAndPort): string {
  return `nm://${formatSocketAddress(host)}`;
}
