import { describe, expect, test } from 'vitest';
import { RetryBudget } from '../../src/base/retry-budget.ts';
import { VirtualClock } from '../../src/sim/clock.ts';
import { SimNetwork } from '../../src/sim/network.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import { openSimTransport } from '../../src/sim/transport.ts';
import { RpcError } from '../../src/transport/error.ts';
import { type GatherHooks, gather } from '../../src/transport/gather.ts';
import type { Peer } from '../../src/transport/transport.ts';
import { SimPair } from '../datagram/sim-pair.ts';

function empty(): RetryBudget {
  const budget = new RetryBudget();
  while (budget.take(0));
  return budget;
}

const never = () => new Promise<never>(() => {});

describe('gather', () => {
  test('pays for each source asked in place of a late one', async () => {
    const clock = new VirtualClock();
    const retries = new RetryBudget();
    const gathering = gather(
      [1, 2, 3],
      (source, _signal, { onOverdue }) => {
        if (source < 3) clock.setTimer(50, onOverdue);
        return source < 3 ? never() : Promise.resolve(source);
      },
      { need: 1, clock, retries },
    );
    const { answers } = await clock.runUntil(gathering);
    expect(answers.map(({ source }) => source)).toEqual([3]);
    expect(retries.counters).toEqual({ retryTokensTaken: 2, retryTokensRefused: 0 });
  });

  test('waits for a token when there is none, and does not fail', async () => {
    const clock = new VirtualClock();
    const gathering = gather(
      ['slow', 'quick'],
      (source, _signal, { onOverdue }) => {
        if (source === 'quick') return Promise.resolve(source);
        onOverdue();
        return never();
      },
      { need: 1, clock, retries: empty() },
    );
    await clock.runUntil(gathering);
    expect(clock.now()).toBeGreaterThanOrEqual(1000);
    expect(clock.now()).toBeLessThan(1010);
    expect(clock.armedTimers).toBe(0);
  });

  test('keeps no timer when the late one answers while another waits for a token', async () => {
    const clock = new VirtualClock();
    const asked: string[] = [];
    const gathering = gather(
      ['slow', 'other'],
      (source, _signal, { onOverdue }) => {
        asked.push(source);
        onOverdue();
        return new Promise((resolve) => clock.setTimer(100, () => resolve(source)));
      },
      { need: 1, clock, retries: empty() },
    );
    await clock.runUntil(gathering);
    expect([asked, clock.now(), clock.armedTimers]).toEqual([['slow'], 100, 0]);
  });

  test('replaces who is not there free of charge, and anybody else for a token', async () => {
    const clock = new VirtualClock();
    const cost = async (error: Error): Promise<number> => {
      const retries = new RetryBudget();
      const attempt = (source: number) => (source === 1 ? Promise.reject(error) : Promise.resolve(source));
      await clock.runUntil(gather([1, 2], attempt, { need: 1, clock, retries }));
      return retries.counters.retryTokensTaken;
    };
    expect(await cost(new RpcError('PEER_SILENT', 'gone', { executed: 'unknown' }))).toBe(0);
    expect(await cost(new RpcError('OVERLOADED', 'busy', { executed: 'no' }))).toBe(1);
    expect(await cost(new RpcError('DEADLINE_EXCEEDED', 'hangs', { executed: 'unknown' }))).toBe(1);
    expect(await cost(new RpcError('HANDLER_FAILED', 'broken', { executed: 'yes' }))).toBe(1);
    expect(await cost(new Error('of no transport'))).toBe(1);
  });

  test('of peers uses the budget of their transport, which its status shows', async () => {
    const pair = new SimPair();
    pair.server.handle('work', () => never(), { early: 'safe' });
    const before = pair.client.status();
    const sources = [pair.peer, pair.peer];
    const controller = new AbortController();
    const { signal } = controller;
    const gathering = gather(sources, (peer, s, hooks) => peer.call('work', null, { signal: s, ...hooks }), {
      need: 1,
      clock: pair.clock,
      signal,
    });
    const outcome = gathering.catch((error: unknown) => error);
    await pair.pass(5000);
    controller.abort('enough');
    expect(await outcome).toBe('enough');
    const after = pair.client.status();
    expect([before.counters.retryTokensTaken, after.counters.retryTokensTaken]).toEqual([0, 1]);
    expect(before.retryTokens).toBe(10);
    await pair.close();
  });
});

describe('calls repeated after a restart', () => {
  /** A server that lets `count` calls run and answers none, and is then replaced by one that answers. */
  async function restartWith(count: number, idempotent: boolean) {
    const pair = new SimPair();
    pair.server.handle('work', () => never(), { early: 'safe' });
    const calls = Promise.allSettled(
      Array.from({ length: count }, (_, i) =>
        pair.peer.call('work', i, { idempotent, deadline: Number.POSITIVE_INFINITY }),
      ),
    );
    await pair.pass(100);
    pair.network.crash('10.0.0.1');
    let [running, runningMax] = [0, 0];
    pair.startServer().handle(
      'work',
      async (number) => {
        runningMax = Math.max(runningMax, ++running);
        await pair.sleep(20);
        running--;
        return number;
      },
      { early: 'safe' },
    );
    return { pair, calls, most: () => runningMax };
  }

  test('are few at once, and as quick as their answers come', async () => {
    const { pair, calls, most } = await restartWith(400, true);
    const startMs = pair.clock.now();
    const settled = await pair.run(calls);
    expect(settled.map((call) => (call.status === 'fulfilled' ? call.value : call.reason.code))).toEqual(
      Array.from({ length: 400 }, (_, i) => i),
    );
    // 10 tokens, and those that 400 calls have earned.
    expect(most()).toBeLessThanOrEqual(51);
    expect(most()).toBeGreaterThan(40);
    expect(pair.clock.now() - startMs).toBeLessThan(3000);
    expect(await pair.close()).toEqual({ timers: 0, sockets: 0 });
  });

  test('can be cancelled while they wait, and leave nothing', async () => {
    const { pair, calls } = await restartWith(400, true);
    await pair.pass(300);
    await pair.run(pair.client.close());
    const settled = await calls;
    expect(settled.some((call) => call.status === 'rejected')).toBe(true);
    expect(await pair.close()).toEqual({ timers: 0, sockets: 0 });
  });
});

describe('servers with more to do than they can', () => {
  const SERVERS = 4;
  const WORK_MS = 20;
  const PER_SECOND = 250;
  const SECONDS = 4;

  /** A queue in front of one worker, which skips what nobody wants any more. */
  function worker(clock: VirtualClock): (signal: AbortSignal) => Promise<void> {
    const queue: { readonly signal: AbortSignal; readonly done: () => void }[] = [];
    let working = false;
    const next = () => {
      let job = queue.shift();
      while (job?.signal.aborted) job = queue.shift();
      working = job !== undefined;
      if (job === undefined) return;
      clock.setTimer(WORK_MS, () => {
        job.done();
        next();
      });
    };
    return (signal) =>
      new Promise((done) => {
        queue.push({ signal, done });
        if (!working) next();
      });
  }

  /** Aborts after this much virtual time. */
  function abortIn(clock: VirtualClock, ms: number): AbortSignal {
    const controller = new AbortController();
    clock.setTimer(ms, () => controller.abort(new Error('too late')));
    return controller.signal;
  }

  /** Runs 125 % of what they can do for four seconds; each operation wants one answer, from any. */
  async function overload(hedged: boolean) {
    const clock = new VirtualClock();
    const random = new SeededRandom('overload');
    const network = new SimNetwork({ clock, random: random.fork('network'), link: { latencyMs: 2 } });
    const servers = Array.from({ length: SERVERS }, (_, i) => {
      const host = `10.0.0.${i + 1}`;
      const server = openSimTransport({ network, host, port: 1, random: random.fork(host) });
      const work = worker(clock);
      server.handle('work', (_request, { signal }) => work(signal), { early: 'safe' });
      return server;
    });
    const client = openSimTransport({ network, host: '10.0.1.1', random: random.fork('client') });
    const peers = servers.map(({ address }) => client.peer(address));
    let answered = 0;
    const operations: Promise<unknown>[] = [];
    for (let i = 0; i < PER_SECOND * SECONDS; i++) {
      await clock.run({ forMs: 1000 / PER_SECOND });
      const first = random.int(0, SERVERS - 1);
      const ring = Array.from({ length: hedged ? SERVERS : 1 }, (_, j) => peers[(first + j) % SERVERS]!);
      // A caller without patience: what is learnt would not hedge here at all, as everybody is late.
      const attempt = (peer: Peer, signal: AbortSignal, { onOverdue }: GatherHooks) => {
        clock.setTimer(60, onOverdue);
        return peer.call('work', null, { signal });
      };
      const operation = gather(ring, attempt, { need: 1, clock, signal: abortIn(clock, 1000) });
      operations.push(operation.then(() => answered++).catch(() => {}));
    }
    await clock.runUntil(Promise.all(operations));
    const calls = client.stats.callsStarted;
    const { retryTokensTaken: hedges, retryTokensRefused: waited } = client.stats;
    await clock.runUntil(Promise.all([client, ...servers].map((transport) => transport.close())));
    return { answered, calls, hedges, waited };
  }

  test('get no more than a ninth more to do from hedges, and get as much done', async () => {
    const operations = PER_SECOND * SECONDS;
    const plain = await overload(false);
    const hedged = await overload(true);
    expect(plain.calls).toBe(operations);
    expect(hedged.waited).toBeGreaterThan(0);
    expect(hedged.hedges).toBeGreaterThan(50);
    expect(hedged.calls - operations).toBeLessThanOrEqual((0.1 * operations + 10 + SECONDS + 1) / 0.9);
    expect(hedged.answered).toBeGreaterThanOrEqual(0.95 * plain.answered);
  });
});
