// node:http with a keep-alive agent, its default number of sockets (no bound) and no timeout: what most programs use. Bodies
// are posted as they are.

import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import { buffer } from 'node:stream/consumers';
import type { System } from './system.ts';

export const http: System = {
  name: 'http',
  bodyBytesMax: 16 * 1024 * 1024,
  recovers: true,
  async serve(host) {
    const server = createServer((incoming, outgoing) => {
      void buffer(incoming).then((body) => outgoing.end(body));
    });
    server.listen(0, host);
    await once(server, 'listening');
    return { address: `${host}:${(server.address() as { port: number }).port}` };
  },
  async connect(address) {
    const [host, port] = address.split(':') as [string, string];
    const agent = new Agent({ keepAlive: true });
    return {
      echo: (body) =>
        new Promise((resolve, reject) => {
          const call = request({ host, port, method: 'POST', agent }, (response) => {
            buffer(response).then(resolve, reject);
          });
          call.on('error', reject);
          call.end(body);
        }),
      close: async () => agent.destroy(),
    };
  },
};
