// udp-request: requests and responses over UDP, JavaScript only. With `retry`, as its documentation offers for requests
// that may be lost; its timeout of 1 s is left as it is.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import type { System } from './system.ts';

interface UdpRequest {
  on(event: 'request', listener: (request: Buffer, peer: object) => void): void;
  response(body: Buffer, peer: object): void;
  request(
    body: Buffer,
    peer: { host: string; port: number },
    done: (error: Error | null, response: Buffer) => void,
  ): void;
  destroy(): void;
}

const open: (options: object) => UdpRequest = createRequire(import.meta.url)('udp-request');

export const udpRequest: System = {
  name: 'udp-request',
  bodyBytesMax: 60_000,
  recovers: true,
  async serve(host) {
    const socket = createSocket('udp4');
    const requests = open({ socket, retry: true });
    requests.on('request', (request, peer) => requests.response(request, peer));
    socket.bind(0, host);
    await once(socket, 'listening');
    return { address: `${host}:${socket.address().port}` };
  },
  async connect(address) {
    const [host, port] = address.split(':') as [string, string];
    const requests = open({ retry: true });
    const to = { host, port: Number(port) };
    return {
      echo: (body) =>
        new Promise((resolve, reject) => {
          requests.request(body, to, (error, response) => (error ? reject(error) : resolve(response)));
        }),
      close: async () => requests.destroy(),
    };
  },
};
