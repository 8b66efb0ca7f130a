// Addresses of peers as users write them: `nm://HOST:PORT`.

import { RpcError } from './error.ts';

/** The parts of an address; `host` is a name or an IP address without brackets. */
export interface PeerAddress {
  readonly host: string;
  readonly port: number;
}

/** Reads `nm://host:port` (a final `/` is allowed). @throws RpcError BAD_ARGUMENT saying what is wrong. */
export function parsePeerAddress(address: string): PeerAddress {
  const wrong = (why: string): RpcError =>
    new RpcError('BAD_ARGUMENT', `"${address}" is no peer address: ${why}; write nm://HOST:PORT`, {
      peer: address,
    });
  const match = /^nm:\/\/(?:\[([^\]]+)\]|([^:[\]/]+)):(\d{1,5})\/?$/.exec(address);
  if (match === null) {
    throw wrong(
      address.startsWith('nm://') ? 'host or port is missing or malformed' : 'it does not begin with nm://',
    );
  }
  const port = Number(match[3]);
  if (port < 1 || port > 65535) throw wrong(`the port is ${port}, not 1 to 65535`);
  return { host: (match[1] ?? match[2])!, port };
}

/** The reverse of {@link parsePeerAddress}. */
export function formatPeerAddress({ host, port }: PeerAddress): string {
  return `nm://${formatSocketAddress({ host, port })}`;
}

/** `127.0.0.1:4820`, `[::1]:4820`. */
export function formatSocketAddress({ host, port }: PeerAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Where a socket that is bound to all interfaces is reached from this machine: over loopback. Others know its name. */
export function reachableAddress({ host, port }: PeerAddress): PeerAddress {
  return { host: host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host, port };
}
