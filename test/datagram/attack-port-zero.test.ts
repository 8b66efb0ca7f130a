// A datagram may say that it came from port 0 (RFC 768), to which nobody can answer: Node throws.

import { EventEmitter } from 'node:events';
import type { SocketAsPromised } from 'dgram-as-promised';
import { expect, test } from 'vitest';
import { BusyPoll } from '../../src/datagram/busy-poll.ts';
import { UdpSocket } from '../../src/datagram/udp-socket.ts';

test('a datagram from port 0 is dropped, instead of ending the process when it is answered', () => {
  const inner = new EventEmitter();
  const socket = new UdpSocket(
    { socket: inner } as unknown as SocketAsPromised,
    {
      host: '127.0.0.1',
      port: 4820,
    },
    new BusyPoll(0, { now: () => 0, nextTurn: setImmediate }),
  );
  const ports: number[] = [];
  socket.onDatagram = (_bytes, { port }) => ports.push(port);
  inner.emit('message', Buffer.alloc(18), { address: '10.6.6.6', port: 0 });
  inner.emit('message', Buffer.alloc(18), { address: '10.6.6.6', port: 1 });
  expect(ports).toEqual([1]);
});
