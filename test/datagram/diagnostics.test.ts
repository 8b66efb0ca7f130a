// What the datagram transport tells on diagnostics_channel, and that it tells nothing when nobody listens.

import diagnosticsChannel from 'node:diagnostics_channel';
import { afterEach, describe, expect, it } from 'vitest';
import { printableAddress } from '../../src/transport/address.ts';
import type { CallEndMessage, DatagramMessage, RequestEndMessage } from '../../src/transport/diagnostics.ts';
import { RpcError } from '../../src/transport/error.ts';
import { CLIENT_HOST, outcomes, SERVER_HOST, SimPair } from './sim-pair.ts';

const unsubscribers: (() => void)[] = [];

/** Everything that is published on a channel until the test ends. */
function listen<M>(name: string): M[] {
  const messages: M[] = [];
  const listener = (message: unknown): void => {
    messages.push(message as M);
  };
  diagnosticsChannel.subscribe(name, listener);
  unsubscribers.push(() => diagnosticsChannel.unsubscribe(name, listener));
  return messages;
}

afterEach(() => {
  for (const unsubscribe of unsubscribers.splice(0)) unsubscribe();
});

const HANG = () => new Promise(() => {});
const NEVER = { deadline: Number.POSITIVE_INFINITY };

describe('nevermind:call:*', () => {
  it('tells of the start and the end of a call, with one object for both', async () => {
    const pair = new SimPair();
    pair.server.handle('echo', (body) => body, { early: 'safe' });
    const starts = listen<{ call: object }>('nevermind:call:start');
    const ends = listen<CallEndMessage>('nevermind:call:end');
    await pair.run(pair.peer.call('echo', 'hello'));
    expect(starts).toEqual([
      {
        call: {
          peer: printableAddress(pair.server.address),
          method: 'echo',
          requestBytes: 6,
          startedAtMs: 0,
        },
      },
    ]);
    expect(ends).toEqual([{ call: starts[0]!.call, outcome: 'answered', elapsedMs: 10, answerBytes: 6 }]);
    expect(ends[0]!.call).toBe(starts[0]!.call);
  });

  it('tells of failures with the error that the caller gets, and of cancelled calls', async () => {
    const pair = new SimPair();
    pair.server.handle('hang', HANG, { early: 'safe' });
    const overdue = listen<{ afterMs: number }>('nevermind:call:overdue');
    const ends = listen<CallEndMessage>('nevermind:call:end');
    const late = pair.peer.call('hang', 1, { deadline: 5000 }).catch((error: unknown) => error);
    expect(await pair.run(late)).toBeInstanceOf(RpcError);
    expect(ends).toEqual([
      expect.objectContaining({ outcome: 'failed', elapsedMs: 5000, error: await late }),
    ]);
    expect(overdue).toHaveLength(1);
    const controller = new AbortController();
    const call = outcomes([pair.peer.call('hang', 2, { signal: controller.signal })]);
    await pair.pass(100);
    controller.abort();
    await call;
    expect(ends.at(-1)).toMatchObject({ outcome: 'cancelled', elapsedMs: 100 });
    await pair.close();
    expect(ends).toHaveLength(2);
  });

  it('ends each call once, whatever becomes of it', async () => {
    const pair = new SimPair({ link: { lossProbability: 0.2 } });
    pair.server.handle('echo', (body) => body, { early: 'safe' });
    pair.server.handle('hang', HANG);
    const starts = listen<{ call: object }>('nevermind:call:start');
    const ends = listen<{ call: object }>('nevermind:call:end');
    const controller = new AbortController();
    const calls = Array.from({ length: 60 }, (_, i) => {
      const method = ['echo', 'hang', 'nothing'][i % 3]!;
      const signal = i % 2 === 0 ? controller.signal : undefined;
      return pair.peer.call(method, i, { deadline: 1000, signal });
    });
    const settled = outcomes(calls);
    await pair.pass(300);
    controller.abort();
    await pair.run(settled);
    expect(starts).toHaveLength(60);
    expect(ends).toHaveLength(60);
    expect(new Set(ends.map(({ call }) => call))).toEqual(new Set(starts.map(({ call }) => call)));
  });
});

describe('nevermind:request:*', () => {
  it('tells of what handlers were asked, and how they ended', async () => {
    const pair = new SimPair();
    pair.server.handle('echo', (body) => body, { early: 'safe' });
    pair.server.handle('throw', () => {
      throw Object.assign(new Error('a secret'), { code: 'NO_SPACE' });
    });
    pair.server.handle(
      'hang',
      (_body, { signal }) => new Promise((r) => signal.addEventListener('abort', r)),
    );
    const starts = listen<{ request: object }>('nevermind:request:start');
    const ends = listen<RequestEndMessage>('nevermind:request:end');
    const controller = new AbortController();
    const calls = outcomes([
      pair.peer.call('echo', 'hello'),
      pair.peer.call('throw', 1),
      pair.peer.call('hang', 1, { signal: controller.signal }),
    ]);
    await pair.pass(200);
    controller.abort();
    await pair.run(calls);
    await pair.pass(100);
    expect(starts).toHaveLength(3);
    expect(starts[0]).toEqual({
      request: { from: expect.stringContaining(CLIENT_HOST), method: 'echo', requestBytes: 6 },
    });
    expect(ends.map(({ outcome }) => outcome)).toEqual(['answered', 'failed', 'cancelled']);
    expect(ends[0]).toMatchObject({ request: starts[0]!.request, answerBytes: 6 });
    expect(ends[1]).toMatchObject({ code: 'NO_SPACE' });
    expect(JSON.stringify([...starts, ...ends])).not.toContain('secret');
  });
});

describe('nevermind:peer:health', () => {
  it('tells of each change, once', async () => {
    const pair = new SimPair();
    pair.server.handle('hang', HANG, { early: 'safe' });
    const changes = listen<object>('nevermind:peer:health');
    const calls = outcomes([pair.peer.call('hang', 1, NEVER), pair.peer.call('hang', 2, NEVER)]);
    await pair.pass(1000);
    expect(changes).toHaveLength(1);
    pair.network.blackhole(SERVER_HOST);
    await pair.run(calls);
    await pair.pass(10_000);
    pair.network.unblackhole(SERVER_HOST);
    await pair.pass(30_000);
    const from = {
      local: printableAddress(pair.client.address),
      peer: printableAddress(pair.server.address),
    };
    expect(changes).toEqual([
      { ...from, health: 'live' },
      { ...from, health: 'suspect' },
      { ...from, health: 'silent', why: 'vanished', failedCalls: 2 },
      { ...from, health: 'live', silentMs: expect.any(Number) },
    ]);
  });
});

describe('nevermind:datagram', () => {
  it('tells of each datagram on both sides', async () => {
    const pair = new SimPair();
    pair.server.handle('echo', (body) => body, { early: 'safe' });
    const datagrams = listen<DatagramMessage>('nevermind:datagram');
    await pair.run(pair.peer.call('echo', 1));
    await pair.pass(1000);
    const sent = datagrams.filter(({ direction }) => direction === 'sent');
    expect(sent).toHaveLength(pair.sent.length);
    expect(sent.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)).toBe(
      pair.bytesTo(SERVER_HOST) + pair.bytesTo(CLIENT_HOST),
    );
    expect(datagrams.filter(({ direction }) => direction === 'received')).toHaveLength(sent.length);
    expect(sent[0]).toEqual({
      local: printableAddress(pair.client.address),
      direction: 'sent',
      peer: printableAddress(pair.server.address).replace('nm://', ''),
      sizeBytes: 1200,
    });
  });
});

it('a subscriber that throws harms nobody but itself', async () => {
  const pair = new SimPair();
  pair.server.handle('echo', (body) => body, { early: 'safe' });
  const thrown: unknown[] = [];
  const collect = (error: unknown): void => {
    thrown.push(error);
  };
  const others = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', collect);
  const listener = (): void => {
    throw new Error('a subscriber broke');
  };
  diagnosticsChannel.subscribe('nevermind:call:end', listener);
  try {
    expect(await pair.run(pair.peer.call('echo', 1))).toBe(1);
    expect(await pair.run(pair.peer.call('echo', 2))).toBe(2);
    expect(thrown).toHaveLength(2);
  } finally {
    diagnosticsChannel.unsubscribe('nevermind:call:end', listener);
    process.off('uncaughtException', collect);
    for (const other of others) process.on('uncaughtException', other);
  }
});
