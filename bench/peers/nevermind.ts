// nevermind as a user gets it: createEndpoint and nothing set. The method is declared safe to run early, as a read would
// be, so that a first call needs no extra round trip. Two more systems show what an option does (`latency`).

import { createEndpoint, createTcpEndpoint, type EndpointOptions, type Transport } from '../../src/index.ts';
import type { System } from './system.ts';

export const nevermind: System = over('nevermind', createEndpoint);

/** Both ends with another number of early duplicates of small messages than the default. */
export const EARLY_DUPLICATES: readonly (number | false)[] = [2, false];

export const nevermindDuplicates: readonly System[] = EARLY_DUPLICATES.map((earlyDuplicates) =>
  over(withDuplicates(earlyDuplicates), (options) => createEndpoint({ ...options, earlyDuplicates })),
);

/** The name of that system. */
export function withDuplicates(earlyDuplicates: number | false): string {
  return `nevermind, earlyDuplicates: ${earlyDuplicates}`;
}

/** The same interface over the connection-oriented baseline. */
export const nevermindTcp: System = over('nevermind over TCP', createTcpEndpoint);

function over(name: string, open: (options: Pick<EndpointOptions, 'host'>) => Promise<Transport>): System {
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
