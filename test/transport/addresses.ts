// What tests do with addresses: read where they lead, and lead them elsewhere.

import { randomBytes } from 'node:crypto';
import { Identity, swissnumOf } from '../../src/session/identity.ts';
import {
  formatAddress,
  formatSocketAddress,
  type HostAndPort,
  parseSocketAddress,
  printableAddress,
} from '../../src/transport/address.ts';

/** The first host of an address. */
export function hostOf(address: string): HostAndPort {
  const host = parseSocketAddress(printableAddress(address).slice('nm://'.length).split(',')[0]!);
  if (host === undefined) throw new RangeError('no address');
  return host;
}

/** The same server, reached at another host. */
export function movedTo(address: string, host: HostAndPort): string {
  return address.replace(formatSocketAddress(hostOf(address)), formatSocketAddress(host));
}

/** An address at which nobody with this key is. */
export function addressOfNobody(host: string, port: number): string {
  const identity = new Identity(randomBytes(32));
  return formatAddress({ key: identity.publicKey, hosts: [{ host, port }], swissnum: swissnumOf(identity) });
}
