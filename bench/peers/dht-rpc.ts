// dht-rpc, the datagram RPC under Hyperswarm (UDX, native). Two nodes that know nobody else, so that nothing but the calls
// is on the wire; `request` to a named node is the documented way past the routing. Its default of 80 requests in flight
// is left as it is. The default port range is replaced by a free port, and both are said not to be firewalled, which saves
// it the detection.

import { createRequire } from 'node:module';
import type { System } from './system.ts';

interface DhtNode {
  fullyBootstrapped(): Promise<void>;
  address(): { host: string; port: number };
  on(event: 'request', listener: (request: { value: Buffer; reply(value: Buffer): void }) => void): void;
  request(
    request: { token: null; target: null; command: number; value: Uint8Array },
    to: { host: string; port: number },
  ): Promise<{ value: Buffer }>;
  destroy(): Promise<void>;
}

const DHT: new (options: object) => DhtNode = createRequire(import.meta.url)('dht-rpc');
const ECHO = 1;

export const dhtRpc: System = {
  name: 'dht-rpc',
  // One datagram per message; more than a UDX packet carries is not delivered.
  bodyBytesMax: 1024,
  recovers: true,
  async serve(host) {
    const node = await open(host);
    node.on('request', (request) => request.reply(request.value));
    return { address: `${host}:${node.address().port}` };
  },
  async connect(address) {
    const [host, port] = address.split(':') as [string, string];
    const node = await open('0.0.0.0');
    const to = { host, port: Number(port) };
    return {
      echo: async (value) =>
        (await node.request({ token: null, target: null, command: ECHO, value }, to)).value,
      close: () => node.destroy(),
    };
  },
};

async function open(host: string): Promise<DhtNode> {
  const node = new DHT({ bootstrap: [], host, port: 0, anyPort: true, ephemeral: false, firewalled: false });
  await node.fullyBootstrapped();
  return node;
}
