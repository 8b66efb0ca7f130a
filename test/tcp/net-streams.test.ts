// The real sockets: addresses, names, ports in use, and strangers at the door.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Identity } from '../../src/session/identity.ts';
import { createTcpEndpoint, type TcpEndpointOptions } from '../../src/tcp/create-tcp-endpoint.ts';
import type { TcpTransport } from '../../src/tcp/tcp-transport.ts';
import { addressOfNobody, hostOf, movedTo } from '../transport/addresses.ts';

async function open(options: TcpEndpointOptions = {}): Promise<TcpTransport> {
  const transport = await createTcpEndpoint(options);
  onTestFinished(() => transport.close());
  return transport;
}

describe('an endpoint', () => {
  test.each(['127.0.0.1', '::1', 'localhost'])('on %s is reached there', async (host) => {
    const server = await open({ host });
    server.handle('who', (_request, { from }) => from);
    const client = await open();
    const from = await client.peer(server.address).call('who', null);
    expect(from).toMatch(server.address.includes('[') ? /^\[::1\]:\d+$/ : /^127\.0\.0\.1:\d+$/);
  });

  test('without a host is reached over both IP versions and by name', async () => {
    const server = await open();
    server.handle('who', (_request, { from }) => from);
    const { port } = hostOf(server.address);
    const client = await open();
    expect(await client.peer(movedTo(server.address, { host: '127.0.0.1', port })).call('who', null)).toMatch(
      /^127\.0\.0\.1:/,
    );
    expect(await client.peer(movedTo(server.address, { host: '::1', port })).call('who', null)).toMatch(
      /^\[::1\]:/,
    );
    expect(await client.peer(movedTo(server.address, { host: 'localhost', port })).call('who', null)).toMatch(
      /^(127\.0\.0\.1|\[::1\]):/,
    );
  });

  test('cannot be on a port that is in use, or on an address of another machine', async () => {
    const { port } = hostOf((await open({ host: '127.0.0.1' })).address);
    await expect(open({ host: '127.0.0.1', port })).rejects.toMatchObject({
      code: 'ADDRESS_IN_USE',
      message: `TCP 127.0.0.1:${port} is in use by another process; choose another port`,
    });
    await expect(open({ host: '192.0.2.1' })).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
    await expect(open({ host: 'no-such-host.invalid' })).rejects.toMatchObject({ code: 'HOST_UNKNOWN' });
  });

  test('says that a name has no address', async () => {
    const client = await open();
    await expect(
      client.peer(addressOfNobody('no-such-host.invalid', 4820)).call('m', null),
    ).rejects.toMatchObject({
      code: 'HOST_UNKNOWN',
      executed: 'no',
    });
  });

  test('hangs up on a browser, and serves on', async () => {
    const server = await open({ host: '127.0.0.1' });
    server.handle('work', () => 'done');
    const { port } = hostOf(server.address);
    const browser = connect(port, '127.0.0.1');
    browser.write('GET / HTTP/1.1\r\n\r\n');
    browser.on('error', () => {});
    browser.resume();
    await once(browser, 'close');
    expect(server.stats.connectionsRefused).toBe(1);
    expect(await (await open()).peer(server.address).call('work', null)).toBe('done');
  });

  test('that is closed can be opened again on the same port at once', async () => {
    const identity = new Identity(randomBytes(32));
    const first = await open({ host: '127.0.0.1', identity });
    first.handle('work', () => 'first');
    const client = await open();
    const peer = client.peer(first.address);
    expect(await peer.call('work', null)).toBe('first');
    await first.close();
    const second = await open({ host: '127.0.0.1', port: hostOf(first.address).port, identity });
    second.handle('work', () => 'second');
    expect(await peer.call('work', null, { idempotent: true })).toBe('second');
  });
});
