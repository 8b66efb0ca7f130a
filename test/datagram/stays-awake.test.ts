import { EventEmitter } from 'node:events';
import type { SocketAsPromised } from 'dgram-as-promised';
import { expect, test } from 'vitest';
import { BusyPoll } from '../../src/datagram/busy-poll.ts';
import { UdpSocket } from '../../src/datagram/udp-socket.ts';

/** A socket without the system's, and the turns that it asks for. */
function make(): { inner: EventEmitter; socket: UdpSocket; turns: (() => void)[] } {
  const turns: (() => void)[] = [];
  const inner = Object.assign(new EventEmitter(), { send: () => {}, getSendQueueSize: () => 0 });
  const poll = new BusyPoll(0.3, { now: () => 0, nextTurn: (task) => void turns.push(task) });
  const local = { host: '127.0.0.1', port: 4820 };
  const socket = new UdpSocket(
    { socket: inner, close: async () => {} } as unknown as SocketAsPromised,
    local,
    poll,
  );
  return { inner, socket, turns };
}

const PEER = { host: '127.0.0.1', port: 4821 };

test('a socket keeps the loop awake behind what comes', () => {
  const { inner, turns } = make();
  inner.emit('message', Buffer.from('a'), { address: PEER.host, port: 0 });
  expect(turns).toHaveLength(0);
  inner.emit('message', Buffer.from('a'), { address: PEER.host, port: PEER.port });
  expect(turns).toHaveLength(1);
});

test('a socket keeps the loop awake behind what it sends, until it is closed', async () => {
  const { socket, turns } = make();
  socket.send(Buffer.from('a'), PEER);
  expect(turns).toHaveLength(1);
  await socket.close();
  turns.shift()!();
  expect(turns).toHaveLength(0);
});
