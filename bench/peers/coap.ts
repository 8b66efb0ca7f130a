// coap (node-coap, RFC 7252): confirmable requests with the body as payload, one agent and so one socket, as its
// documentation shows. Blocks (RFC 7959) would carry larger bodies; its client does not put a request into blocks by itself,
// so it is measured up to 1 KiB, one block.

import { Agent, createServer, request } from 'coap';
import type { System } from './system.ts';

export const coap: System = {
  name: 'coap',
  bodyBytesMax: 1024,
  recovers: true,
  async serve(host) {
    const server = createServer({ type: 'udp4' }, (incoming, outgoing) => {
      outgoing.end(incoming.payload);
    });
    const port = await new Promise<number>((resolve) => {
      server.listen(0, host, () => resolve(portOf(server)));
    });
    return { address: `${host}:${port}` };
  },
  async connect(address) {
    const [hostname, port] = address.split(':') as [string, string];
    const agent = new Agent({ type: 'udp4' });
    return {
      echo: (body) =>
        new Promise((resolve, reject) => {
          const call = request({ hostname, port: Number(port), method: 'POST', pathname: '/echo', agent });
          call.on('response', (response: { payload: Buffer }) => resolve(response.payload));
          call.on('error', reject);
          call.end(body);
        }),
      close: async () => void agent.close(),
    };
  },
};

function portOf(server: object): number {
  const { _sock } = server as { _sock: { address(): { port: number } } };
  return _sock.address().port;
}
