// Never mind: in each state of a call the promise rejects at once, nothing more is sent than one CANCEL, the
// handler is told, and nothing is left behind.

import { describe, expect, it } from 'vitest';
import { CLIENT_HOST, SERVER_HOST, SimPair } from './sim-pair.ts';

const NEVER_MIND = new Error('never mind');

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'resolved',
    (reason: unknown) => reason,
  );
}

describe('cancelling a call', () => {
  it('that was never sent tells the peer nothing', async () => {
    const pair = new SimPair();
    const controller = new AbortController();
    const call = rejection(pair.peer.call('echo', 1, { signal: controller.signal }));
    controller.abort(NEVER_MIND);
    expect(await call).toBe(NEVER_MIND);
    await pair.pass(5000);
    expect(pair.sent).toEqual([]);
  });

  it('with a signal that was aborted before rejects with its reason', async () => {
    const pair = new SimPair();
    expect(await rejection(pair.peer.call('echo', 1, { signal: AbortSignal.abort(NEVER_MIND) }))).toBe(
      NEVER_MIND,
    );
    await pair.pass(1000);
    expect(pair.sent).toEqual([]);
  });

  it('that was sent in part frees what has arrived and sends no more of it', async () => {
    const pair = new SimPair({ link: { bandwidthBytesPerMs: 100 } });
    let ran = false;
    pair.server.handle('echo', (body) => body, { early: 'safe' });
    pair.server.handle('swallow', () => {
      ran = true;
    });
    await pair.run(pair.peer.call('echo', 1));
    const controller = new AbortController();
    const call = rejection(
      pair.peer.call('swallow', new Uint8Array(4_000_000), { signal: controller.signal }),
    );
    await pair.pass(300);
    controller.abort(NEVER_MIND);
    expect(await call).toBe(NEVER_MIND);
    // The queue of the bottleneck (256 KiB) empties first: 2.6 s.
    await pair.pass(3000);
    const sentBefore = pair.bytesTo(SERVER_HOST);
    await pair.pass(10_000);
    expect(pair.bytesTo(SERVER_HOST) - sentBefore).toBeLessThan(2000);
    expect(pair.client.stats.cancelSavedBytes).toBeGreaterThan(3_000_000);
    expect(pair.client.stats.cancelledNotExecuted).toBe(1);
    expect(ran).toBe(false);
  });

  it('whose handler runs aborts the signal of the handler', async () => {
    const pair = new SimPair();
    const seen: string[] = [];
    pair.server.handle('wait', async (_body, { signal }) => {
      seen.push('started');
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      seen.push('aborted');
      return 'too late';
    });
    const controller = new AbortController();
    const call = rejection(pair.peer.call('wait', 1, { signal: controller.signal }));
    await pair.pass(500);
    controller.abort(NEVER_MIND);
    expect(await call).toBe(NEVER_MIND);
    await pair.pass(100);
    expect(seen).toEqual(['started', 'aborted']);
    expect(pair.client.stats.cancelledExecuted).toBe(1);
  });

  it('whose answer is on its way stops the rest of the answer', async () => {
    const pair = new SimPair({ link: { bandwidthBytesPerMs: 100 } });
    pair.server.handle('much', () => new Uint8Array(4_000_000), { early: 'safe' });
    const controller = new AbortController();
    const call = rejection(
      pair.peer.call('much', 1, { signal: controller.signal, deadline: Number.POSITIVE_INFINITY }),
    );
    await pair.pass(1000);
    controller.abort(NEVER_MIND);
    expect(await call).toBe(NEVER_MIND);
    await pair.pass(4000);
    const sentBefore = pair.bytesTo(CLIENT_HOST);
    await pair.pass(10_000);
    expect(pair.bytesTo(CLIENT_HOST) - sentBefore).toBeLessThan(2000);
    expect(pair.server.stats.cancelSavedBytes).toBeGreaterThan(3_000_000);
  });

  it('of which the CANCEL overtakes the request keeps the request from running', async () => {
    // Most datagrams are late, so that in some seed the CANCEL comes first; the tombstone is then counted.
    let overtaken = 0;
    for (let seed = 1; seed <= 40; seed++) {
      const pair = new SimPair({ seed, link: { reorderProbability: 0.7, reorderMs: 40 } });
      let runs = 0;
      pair.server.handle('echo', (body) => body, { early: 'safe' });
      pair.server.handle('once', () => {
        runs++;
      });
      await pair.run(pair.peer.call('echo', 0));
      const controller = new AbortController();
      const call = rejection(pair.peer.call('once', 1, { signal: controller.signal }));
      await pair.pass(1);
      controller.abort(NEVER_MIND);
      expect(await call).toBe(NEVER_MIND);
      await pair.pass(2000);
      expect(runs).toBe(pair.server.stats.requestsRun - 1);
      if (pair.server.stats.requestsRefusedStale > 0) {
        overtaken++;
        expect(runs).toBe(0);
      }
      expect(await pair.close()).toEqual({ timers: 0, sockets: 0 });
    }
    expect(overtaken).toBeGreaterThan(0);
  });

  it('arrives in spite of loss', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const pair = new SimPair({ seed, link: { lossProbability: 0.3 } });
      let aborted = 0;
      pair.server.handle(
        'wait',
        (_body, { signal }) =>
          new Promise((resolve) => {
            signal.addEventListener('abort', () => {
              aborted++;
              resolve(null);
            });
          }),
        { early: 'safe' },
      );
      const controller = new AbortController();
      const call = rejection(
        pair.peer.call('wait', 1, { signal: controller.signal, deadline: Number.POSITIVE_INFINITY }),
      );
      await pair.pass(4000);
      controller.abort(NEVER_MIND);
      await call;
      await pair.pass(4000);
      expect(aborted).toBe(pair.server.stats.requestsRun);
    }
  });

  it('100,000 times leaves nothing', async () => {
    const pair = new SimPair();
    pair.server.handle('hang', () => new Promise(() => {}), { early: 'safe' });
    const controller = new AbortController();
    const calls = Array.from({ length: 100_000 }, () =>
      rejection(pair.peer.call('hang', null, { signal: controller.signal })),
    );
    await pair.pass(50);
    controller.abort(NEVER_MIND);
    expect(new Set(await Promise.all(calls))).toEqual(new Set([NEVER_MIND]));
    expect(await pair.close()).toEqual({ timers: 0, sockets: 0 });
  });
});
