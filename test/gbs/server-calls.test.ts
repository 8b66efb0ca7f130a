// Lateness and silence over HTTP, in virtual time: the way to the server is a fake that answers when its test says.

import { describe, expect, test } from 'vitest';
import { ResponseTimes } from '../../src/base/response-times.ts';
import { RetryBudget } from '../../src/base/retry-budget.ts';
import type { HttpAnswer, HttpRequest, HttpsWatcher } from '../../src/gbs/pinned-https.ts';
import { ServerCalls } from '../../src/gbs/server-calls.ts';
import { VirtualClock } from '../../src/sim/clock.ts';

const ANSWER: HttpAnswer = { status: 200, contentRange: undefined, body: new Uint8Array(0) };
const READ = requestOf('/read');
const PROBE = requestOf('/version');

function requestOf(path: string): HttpRequest {
  return { method: 'GET', path, headers: {}, body: undefined, answerBytesMax: 100 };
}

/** `answerMs` gives how long each request takes; undefined: for ever. */
function world(answerMs: (request: HttpRequest) => number | undefined) {
  const clock = new VirtualClock();
  const retries = new RetryBudget();
  const asked: string[] = [];
  const cancelled: string[] = [];
  let watcher: HttpsWatcher | undefined;
  const calls = new ServerCalls({
    name: 'pb://server',
    clock,
    times: new ResponseTimes(new ResponseTimes()),
    retries,
    probe: PROBE,
    connect: (given) => {
      watcher = given;
      return {
        close() {},
        exchange: (request, signal) =>
          new Promise((resolve, reject) => {
            asked.push(request.path);
            watcher!.onRoundTrip(1);
            const timer = clock.setTimer(answerMs(request) ?? Number.POSITIVE_INFINITY, () => {
              watcher!.onHeard();
              resolve(ANSWER);
            });
            signal.addEventListener('abort', () => {
              cancelled.push(request.path);
              timer.cancel();
              reject(signal.reason);
            });
          }),
      };
    },
  });
  const outcomes: unknown[] = [];
  const call = (options = {}): void => {
    calls.call('storage/read', READ, 0, options).then(
      () => outcomes.push('answered'),
      (error: unknown) => outcomes.push((error as { code?: string }).code ?? error),
    );
  };
  return { clock, retries, calls, call, asked, cancelled, outcomes };
}

describe('a call over HTTP', () => {
  test('that is overdue tells its caller, and asks whether the server is there', async () => {
    const { clock, call, asked, outcomes } = world(({ path }) => (path === '/version' ? 5 : 3_000));
    const overdueAtMs: number[] = [];
    call({ onOverdue: () => overdueAtMs.push(clock.now()) });
    await clock.run({ until: () => outcomes.length > 0 });
    expect(outcomes).toEqual(['answered']);
    // Nobody has answered such a call before: half a second, and the round trip.
    expect(overdueAtMs).toHaveLength(1);
    expect(overdueAtMs[0]).toBeGreaterThanOrEqual(500);
    expect(overdueAtMs[0]).toBeLessThan(510 + 4 * 333);
    expect(asked).toEqual(['/read', '/version']);
  });

  test('that never ends, at a server that is there, has a deadline', async () => {
    const { clock, call, cancelled, outcomes } = world(({ path }) => (path === '/version' ? 5 : undefined));
    call();
    await clock.run({ until: () => outcomes.length > 0 });
    expect(outcomes).toEqual(['DEADLINE_EXCEEDED']);
    expect(clock.now()).toBe(30_000);
    expect(cancelled).toEqual(['/read']);
  });

  test('fails with all others once nothing comes from the server; later ones fail at once', async () => {
    const { clock, call, asked, outcomes } = world(() => undefined);
    call();
    call();
    await clock.run({ until: () => outcomes.length > 0 });
    expect(outcomes).toEqual(['PEER_SILENT', 'PEER_SILENT']);
    expect(clock.now()).toBeLessThan(6_000);
    const silentAtMs = clock.now();
    call();
    await clock.run({ until: () => outcomes.length > 2 });
    expect(outcomes[2]).toBe('PEER_SILENT');
    expect(clock.now()).toBe(silentAtMs);
    expect(asked.filter((path) => path === '/read')).toHaveLength(2);
  });

  test('finds a server that was silent again', async () => {
    let isThere = false;
    const { clock, call, outcomes } = world(() => (isThere ? 5 : undefined));
    call();
    await clock.run({ until: () => outcomes.length === 1 });
    isThere = true;
    await clock.run({ forMs: 2_000 });
    // This one still fails, but asks whether the server is back.
    call();
    await clock.run({ forMs: 100 });
    call();
    await clock.run({ until: () => outcomes.length === 3 });
    expect(outcomes).toEqual(['PEER_SILENT', 'PEER_SILENT', 'answered']);
  });

  test('is not silence while anything comes, however slowly', async () => {
    let reads = 0;
    const { clock, call, outcomes } = world(({ path }) => (path === '/read' ? 700 * ++reads : undefined));
    for (let i = 0; i < 5; i++) call();
    await clock.run({ until: () => outcomes.length === 5 });
    expect(outcomes).toEqual(['answered', 'answered', 'answered', 'answered', 'answered']);
  });

  test('earns a part of a hedge', async () => {
    const { clock, retries, call, outcomes } = world(() => 5);
    for (let i = 0; i < 10; i++) call();
    await clock.run({ until: () => outcomes.length === 10 });
    expect(retries.tokensAt(clock.now())).toBeCloseTo(11);
  });

  test('leaves nothing behind when it is cancelled, or everything is closed', async () => {
    const { clock, calls, call, cancelled, outcomes } = world(() => undefined);
    const controller = new AbortController();
    call({ signal: controller.signal });
    call();
    await clock.run({ forMs: 10 });
    const reason = new Error('never mind');
    controller.abort(reason);
    await clock.run({ until: () => outcomes.length === 1 });
    calls.close();
    await clock.run({ until: () => outcomes.length === 2 });
    call();
    await clock.run({ until: () => outcomes.length === 3 });
    expect(outcomes).toEqual([reason, 'CLOSED', 'CLOSED']);
    expect(cancelled).toEqual(['/read', '/read']);
    await clock.run();
    expect(clock.armedTimers).toBe(0);
  });
});
