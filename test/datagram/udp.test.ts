// The real socket: what the operating system refuses becomes a clear error, and real datagrams carry it all.

import { createSocket } from 'node:dgram';
import { networkInterfaces } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { openUdpSocket } from '../../src/datagram/udp-socket.ts';
import {
  createEndpoint,
  type EndpointOptions,
  type Transport,
  type TransportEvent,
} from '../../src/index.ts';
import { addressOfNobody, hostOf, movedTo } from '../transport/addresses.ts';

const open: Transport[] = [];

async function endpoint(options?: EndpointOptions): Promise<Transport> {
  const made = await createEndpoint(options);
  open.push(made);
  return made;
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((transport) => transport.close()));
});

const hasIpv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === '::1'),
);

describe('opening an endpoint', () => {
  it('on a port that is in use says which and what to do', async () => {
    const first = await endpoint({ host: '127.0.0.1' });
    const port = hostOf(first.address).port;
    await expect(createEndpoint({ host: '127.0.0.1', port })).rejects.toMatchObject({
      code: 'ADDRESS_IN_USE',
      message: `UDP 127.0.0.1:${port} is in use by another process; choose another port`,
    });
  });

  it('on an address that is not this machine’s says so', async () => {
    await expect(createEndpoint({ host: '192.0.2.1' })).rejects.toMatchObject({
      code: 'BAD_ARGUMENT',
      message: expect.stringContaining('192.0.2.1'),
    });
  });

  it.each([-1, Number.NaN])('with %s datagrams for early duplicates says so', async (earlyDuplicates) => {
    await expect(createEndpoint({ earlyDuplicates })).rejects.toMatchObject({
      code: 'BAD_ARGUMENT',
      message: `earlyDuplicates is ${earlyDuplicates}, not a number from 0, or false`,
    });
  });

  it.each([-1, 10_001, Number.NaN])('that is to stay awake for %s µs says so', async (busyPollUs) => {
    await expect(createEndpoint({ busyPollUs })).rejects.toMatchObject({
      code: 'BAD_ARGUMENT',
      message: `busyPollUs is ${busyPollUs}, not a number from 0 to 10000`,
    });
  });

  it('on a host without an address says so', async () => {
    await expect(createEndpoint({ host: 'no-such-host.invalid' })).rejects.toMatchObject({
      code: 'HOST_UNKNOWN',
    });
  });

  it('asks for large socket buffers', async () => {
    const probe = createSocket('udp4');
    await new Promise<void>((resolve) => probe.bind(0, '127.0.0.1', resolve));
    const usual = probe.getRecvBufferSize();
    probe.setRecvBufferSize(4 * 1024 * 1024);
    const most = probe.getRecvBufferSize();
    probe.close();
    const socket = await openUdpSocket('127.0.0.1', 0, 0);
    expect(socket.receiveBufferBytes).toBe(most);
    expect(most).toBeGreaterThanOrEqual(usual);
    await socket.close();
  });
});

describe('calling over real sockets', () => {
  it('carries values of every kind, and bytes as bytes', async () => {
    const server = await endpoint();
    server.handle('echo', (body) => body, { early: 'safe' });
    const peer = (await endpoint()).peer(server.address);
    for (const body of [null, true, -1, 2 ** 53 - 1, 1.5, 'ä€😀', [1, [2]], { a: { b: 'c' } }, 2n ** 60n]) {
      expect(await peer.call('echo', body)).toEqual(body);
    }
    const bytes = (await peer.call('echo', new Uint8Array([1, 2, 3]))) as Uint8Array;
    expect([...bytes]).toEqual([1, 2, 3]);
  });

  it('carries messages up to 16 MiB both ways, many at once', async () => {
    const server = await endpoint();
    server.handle('echo', (body) => body, { early: 'safe' });
    const peer = (await endpoint()).peer(server.address);
    const sizes = [1, 1199, 1200, 1201, 65_535, 65_536, 300_000, 5_000_000, 16 * 1024 * 1024 - 100];
    const options = { deadline: Number.POSITIVE_INFINITY };
    const answers = await Promise.all(
      sizes.map((size) => peer.call('echo', Buffer.alloc(size, size % 251), options) as Promise<Uint8Array>),
    );
    answers.forEach((answer, index) => {
      const size = sizes[index]!;
      expect(Buffer.compare(answer, Buffer.alloc(size, size % 251))).toBe(0);
    });
    await expect(peer.call('echo', Buffer.alloc(16 * 1024 * 1024))).rejects.toMatchObject({
      code: 'TOO_LARGE',
      executed: 'no',
    });
  });

  it('resolves host names, and fails for those that have no address', async () => {
    const server = await endpoint();
    server.handle('echo', (body) => body);
    const client = await endpoint();
    const { port } = hostOf(server.address);
    expect(await client.peer(movedTo(server.address, { host: 'localhost', port })).call('echo', 1)).toBe(1);
    await expect(
      client.peer(addressOfNobody('no-such-host.invalid', 1)).call('echo', 1),
    ).rejects.toMatchObject({
      code: 'HOST_UNKNOWN',
    });
  });

  it.runIf(hasIpv6)('reaches peers over IPv6 and IPv4 with one endpoint', async () => {
    const six = await endpoint({ host: '::1' });
    const four = await endpoint({ host: '127.0.0.1' });
    for (const server of [six, four]) server.handle('echo', (body) => body);
    const client = await endpoint();
    expect(await client.peer(six.address).call('echo', 6)).toBe(6);
    expect(await client.peer(four.address).call('echo', 4)).toBe(4);
  });

  it('fails at once where the local network refuses to send', async () => {
    // Bound to loopback, a socket cannot reach an address that is not on it.
    const client = await endpoint({ host: '127.0.0.1' });
    await expect(client.peer(addressOfNobody('192.0.2.1', 9)).call('echo', 1)).rejects.toMatchObject({
      code: 'NETWORK_UNREACHABLE',
      peer: 'nm://192.0.2.1:9',
      method: 'echo',
    });
  });

  it('refuses addresses that are none', async () => {
    const client = await endpoint();
    for (const address of [
      '',
      'nm://',
      'nm://host',
      'nm://host:0',
      'nm://host:99999',
      'http://host:1',
      'host:1',
    ]) {
      expect(() => client.peer(address)).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
    }
  });

  it('fails outstanding calls with CLOSED when it closes, and those made later', async () => {
    const server = await endpoint();
    server.handle('hang', () => new Promise(() => {}), { early: 'safe' });
    const client = await createEndpoint();
    const peer = client.peer(server.address);
    const hanging = peer.call('hang', 1).catch((error: unknown) => error);
    await client.close();
    expect(await hanging).toMatchObject({ code: 'CLOSED' });
    await expect(peer.call('hang', 2)).rejects.toMatchObject({ code: 'CLOSED' });
    await client.close();
  });
});

describe('a peer that is not there', () => {
  it('is told from a silent one when its machine says that nobody listens', async () => {
    const client = await endpoint({ host: '127.0.0.1' });
    const gone = await createEndpoint({ host: '127.0.0.1' });
    const { address } = gone;
    await gone.close();
    const events: TransportEvent[] = [];
    client.subscribe((event) => events.push(event));
    await expect(client.peer(address).call('echo', 1)).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' });
    expect(events).toEqual([
      expect.objectContaining({ type: 'peer:silent', why: 'refused', failedCalls: 1 }),
    ]);
  });

  it('is silent, not unreachable, when somebody holds the port and says nothing', async () => {
    const client = await endpoint({ host: '127.0.0.1' });
    const mute = createSocket('udp4');
    await new Promise<void>((resolve) => mute.bind(0, '127.0.0.1', resolve));
    const peer = client.peer(addressOfNobody('127.0.0.1', mute.address().port));
    await expect(peer.call('echo', 1)).rejects.toMatchObject({ code: 'PEER_SILENT' });
    mute.close();
  });

  it('at an address that the system refuses to ask, like a broadcast one, ends nothing but the question', async () => {
    const socket = await openUdpSocket('127.0.0.1', 0, 0);
    const errors: string[] = [];
    socket.onSendError = (_to, code) => errors.push(code);
    socket.askWhetherOpen({ host: '255.255.255.255', port: 9 });
    socket.askWhetherOpen({ host: '127.0.0.1', port: socket.local.port });
    // Both questions have been put to the system by the time a datagram has gone round.
    await new Promise<void>((resolve) => {
      const other = createSocket('udp4');
      other.on('message', () => other.close(resolve));
      other.bind(0, '127.0.0.1', () => other.send('x', other.address().port, '127.0.0.1'));
    });
    expect(errors).toEqual([]);
    await socket.close();
  });
});

// P-126
describe('attack: scan with what was held back', () => {
  it('over real sockets draws no byte', async () => {
    const server = await endpoint({ host: '127.0.0.1' });
    server.handle('echo', (body) => body, { early: 'safe' });
    const scanner = createSocket('udp4');
    const received: Uint8Array[] = [];
    const held = new Promise<Uint8Array>((resolve) => {
      scanner.once('message', (bytes) => {
        scanner.on('message', (answer) => received.push(answer));
        resolve(bytes);
      });
    });
    await new Promise<void>((resolve) => scanner.bind(0, '127.0.0.1', resolve));
    const client = await endpoint({ host: '127.0.0.1' });
    const elsewhere = movedTo(server.address, { host: '127.0.0.1', port: scanner.address().port });
    client
      .peer(elsewhere)
      .call('echo', 1)
      .catch(() => {});
    const init = await held;
    await client.close();
    for (let at = init.length - 40; at < init.length; at++) {
      const changed = Uint8Array.from(init);
      changed[at]! ^= 1;
      scanner.send(changed, hostOf(server.address).port, '127.0.0.1');
    }
    // Answered behind all of them.
    expect(await (await endpoint({ host: '127.0.0.1' })).peer(server.address).call('echo', 2)).toBe(2);
    expect(received.filter((bytes) => bytes.length < init.length)).toEqual([]);
    scanner.close();
  });
});
