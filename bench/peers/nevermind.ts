// nevermind as a user gets it: createEndpoint and nothing set. The method is declared safe to run early, as a read would
// be, so that a first call needs no extra round trip.

import { createEndpoint, createTcpEndpoint, type Transport } from '../../src/index.ts';
import type { System } from './system.ts';

export const nevermind: System = over('nevermind', createEndpoint);

/** The same interface over the connection-oriented baseline. */
export const nevermindTcp: System = over('nevermind over TCP', createTcpEndpoint);

function over(name: string, open: (options: { host?: string }) => Promise<Transport>): System {
  return {
    name,
    bodyBytesMax: 16 * 1024 * 1024,
    recovers: true,
    async serve(host) {
      const endpoint = await open({ host });
      endpoint.handle('echo', (body) => body, { early: 'safe' });
      return { address: endpoint.address };
    },
    async connect(address) {
      const endpoint = await open({});
      const peer = endpoint.peer(address);
      return {
        echo: async (body) => (await peer.call('echo', body)) as Uint8Array,
        close: () => endpoint.close(),
      };
    },
  };
}
