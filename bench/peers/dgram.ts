// node:dgram and nothing else: a number in front of the body, so that an answer finds its question. The floor of what any
// datagram protocol costs in Node: no encoding, no sealing, no retransmission, one datagram per message.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { System } from './system.ts';

const ID_BYTES = 4;
/** The default of 208 KiB would lose answers at 1,024 calls at once. */
const recvBufferSize = 4 * 1024 * 1024;

export const dgram: System = {
  name: 'dgram',
  bodyBytesMax: 60_000,
  recovers: false,
  async serve(host) {
    const socket = createSocket({ type: 'udp4', recvBufferSize });
    socket.on('message', (message, from) => socket.send(message, from.port, from.address));
    socket.bind(0, host);
    await once(socket, 'listening');
    return { address: `${host}:${socket.address().port}` };
  },
  async connect(address) {
    const [host, port] = address.split(':') as [string, string];
    const socket = createSocket({ type: 'udp4', recvBufferSize });
    const waiting = new Map<number, (body: Uint8Array) => void>();
    let lastId = 0;
    socket.on('message', (message) => {
      const id = message.readUInt32BE(0);
      waiting.get(id)?.(message.subarray(ID_BYTES));
      waiting.delete(id);
    });
    socket.connect(Number(port), host);
    await once(socket, 'connect');
    return {
      echo: (body) =>
        new Promise((resolve) => {
          const id = ++lastId;
          waiting.set(id, resolve);
          const message = Buffer.allocUnsafe(ID_BYTES + body.length);
          message.writeUInt32BE(id, 0);
          message.set(body, ID_BYTES);
          socket.send(message);
        }),
      close: async () => {
        socket.close();
        await once(socket, 'close');
      },
    };
  },
};
