// Relays between a client and a server on this machine, which can be told to fall silent: as if the machine behind them
// had vanished, or its process were frozen.

import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { hostOf, movedTo } from '../transport/addresses.ts';

export interface Relay {
  /** To be called instead of the server's. */
  readonly address: string;
  silence(): void;
  hear(): void;
  close(): Promise<void>;
}

/** Passes datagrams on, and drops them while it is silent. */
export async function openDatagramRelay(serverAddress: string): Promise<Relay> {
  const server = hostOf(serverAddress);
  const front = createSocket('udp4');
  /** By the client's port: what the server knows it as. */
  const backs = new Map<number, UdpSocket>();
  let silent = false;
  front.on('message', (bytes, client) => {
    if (silent) return;
    let back = backs.get(client.port);
    if (back === undefined) {
      back = createSocket('udp4');
      back.on('message', (answer) => {
        if (!silent) front.send(answer, client.port, client.address);
      });
      backs.set(client.port, back);
    }
    back.send(bytes, server.port, server.host);
  });
  front.bind(0, '127.0.0.1');
  await once(front, 'listening');
  return {
    address: movedTo(serverAddress, { host: '127.0.0.1', port: front.address().port }),
    silence: () => {
      silent = true;
    },
    hear: () => {
      silent = false;
    },
    close: async () => {
      const sockets = [front, ...backs.values()];
      await Promise.all(
        sockets.map((socket) => {
          const closed = once(socket, 'close');
          socket.close();
          return closed;
        }),
      );
    },
  };
}

/** Passes bytes on, and leaves them lying while it is silent; the connections stay. */
export async function openStreamRelay(serverAddress: string): Promise<Relay> {
  const to = hostOf(serverAddress);
  const sockets = new Set<Socket>();
  let silent = false;
  const add = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    if (silent) socket.pause();
  };
  const relay = createServer((front) => {
    const back = connect(to.port, to.host);
    add(front);
    add(back);
    front.on('data', (bytes) => back.write(bytes));
    back.on('data', (bytes) => front.write(bytes));
    front.on('close', () => back.destroy());
    back.on('close', () => front.destroy());
    if (silent) front.pause();
  });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  return {
    address: movedTo(serverAddress, { host: '127.0.0.1', port: (relay.address() as AddressInfo).port }),
    silence: () => {
      silent = true;
      for (const socket of sockets) socket.pause();
    },
    hear: () => {
      silent = false;
      for (const socket of sockets) socket.resume();
    },
    close: async () => {
      const closed = once(relay, 'close');
      relay.close();
      const gone = [...sockets].map((socket) => once(socket, 'close'));
      for (const socket of sockets) socket.destroy();
      await Promise.all([closed, ...gone]);
    },
  };
}
