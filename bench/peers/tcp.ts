// node:net with length-prefixed CBOR, as somebody would write it who needs no library: one connection, many calls on it at
// once, no Nagle delay, and all frames of one turn of the event loop in one write (cork).

import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { Encoder } from 'cbor-x';
import type { System } from './system.ts';

const LENGTH_BYTES = 4;
const codec = new Encoder({ useRecords: false, tagUint8Array: false });

type Message = [id: number, body: Uint8Array];

export const tcp: System = {
  name: 'tcp',
  bodyBytesMax: 16 * 1024 * 1024,
  recovers: true,
  async serve(host) {
    const server = createServer((socket) => {
      const send = sender(socket);
      onMessages(socket, send);
      socket.on('error', () => socket.destroy());
    });
    server.listen(0, host);
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    return { address: `${host}:${port}` };
  },
  async connect(address) {
    const [host, port] = address.split(':') as [string, string];
    const socket = connect(Number(port), host);
    await once(socket, 'connect');
    const waiting = new Map<number, (body: Uint8Array) => void>();
    let lastId = 0;
    const send = sender(socket);
    onMessages(socket, ([id, body]) => {
      waiting.get(id)?.(body);
      waiting.delete(id);
    });
    return {
      echo: (body) =>
        new Promise((resolve) => {
          waiting.set(++lastId, resolve);
          send([lastId, body]);
        }),
      close: async () => {
        socket.destroy();
      },
    };
  },
};

function sender(socket: Socket): (message: Message) => void {
  socket.setNoDelay(true);
  let isCorked = false;
  return (message) => {
    if (!isCorked) {
      isCorked = true;
      socket.cork();
      setImmediate(() => {
        isCorked = false;
        socket.uncork();
      });
    }
    const encoded = codec.encode(message);
    const length = Buffer.allocUnsafe(LENGTH_BYTES);
    length.writeUInt32BE(encoded.length, 0);
    socket.write(length);
    socket.write(encoded);
  };
}

function onMessages(socket: Socket, onMessage: (message: Message) => void): void {
  let pending: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    let bytes = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    while (bytes.length >= LENGTH_BYTES) {
      const end = LENGTH_BYTES + bytes.readUInt32BE(0);
      if (bytes.length < end) break;
      onMessage(codec.decode(bytes.subarray(LENGTH_BYTES, end)));
      bytes = bytes.subarray(end);
    }
    pending = bytes;
  });
}
