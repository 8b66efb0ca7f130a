// nevermind as a user gets it: createEndpoint and nothing set. The method is declared safe to run early, as a read would
// be, so that a first call needs no extra round trip.

import { createEndpoint } from '../../src/index.ts';
import type { System } from './system.ts';

export const nevermind: System = {
  name: 'nevermind',
  bodyBytesMax: 16 * 1024 * 1024,
  recovers: true,
  async serve(host) {
    const endpoint = await createEndpoint({ host });
    endpoint.handle('echo', (body) => body, { early: 'safe' });
    return { address: endpoint.address };
  },
  async connect(address) {
    const endpoint = await createEndpoint();
    const peer = endpoint.peer(address);
    return {
      echo: async (body) => (await peer.call('echo', body)) as Uint8Array,
      close: () => endpoint.close(),
    };
  },
};
