// Each failed call tells what it went through, why its deadline was what it was, and what was known of its peer.

import { describe, expect, it } from 'vitest';
import type { CallReport } from '../../src/base/call-report.ts';
import { RpcError } from '../../src/transport/error.ts';
import { explain } from '../../src/transport/explain.ts';
import { SERVER_HOST, SimPair } from './sim-pair.ts';

async function failure(pair: SimPair, call: Promise<unknown>): Promise<RpcError & { report: CallReport }> {
  const error = await pair.run(call.catch((reason: unknown) => reason));
  expect(error).toBeInstanceOf(RpcError);
  expect((error as RpcError).report).toBeDefined();
  return error as RpcError & { report: CallReport };
}

const NEVER = { deadline: Number.POSITIVE_INFINITY };

describe('the report of a failed call', () => {
  it('to a peer that was never there: never heard, nothing acknowledged, sent in each first datagram', async () => {
    const pair = new SimPair();
    pair.network.blackhole(SERVER_HOST);
    const error = await failure(pair, pair.peer.call('echo', new Uint8Array(100)));
    expect(error.code).toBe('PEER_SILENT');
    const { report } = error;
    expect(report).toMatchObject({
      state: 'sent',
      requestAckedBytes: 0,
      working: false,
      answerArrivedBytes: 0,
      peer: { health: 'silent', unansweredProbes: 4, rttMeasured: false, outstandingCalls: 1 },
      limits: { deadline: 'adaptive', deadlineAfterMs: 30_000, basis: { source: 'none', samples: 0 } },
    });
    expect(report.requestDatagrams).toBeGreaterThanOrEqual(4);
    expect(report.peer.sinceHeardMs).toBeUndefined();
    expect(explain(error)).toBe(
      `${error.message}. All of its request of ${report.requestBytes} bytes was sent, in ` +
        `${report.requestDatagrams} datagrams; the peer acknowledged 0 bytes. It failed ` +
        `${Math.round(error.elapsedMs!)} ms after its first byte had left. ` +
        'The peer did not say that its handler was at work. Hardly anybody has ' +
        'answered such a call, so its deadline of 30.0 s was a guess, from 0 recent answers of this peer and a ' +
        'round trip of 333 ms ± 167 ms; it was overdue after 1499 ms. The peer counted as ' +
        'silent: it has never been heard, with 4 probes unanswered (4 make it silent). Its machine, asked twice at ' +
        'closed ports, did not answer: it is gone, or the way to it, or a firewall keeps silent.',
    );
  });

  it('whose handler hangs: acknowledged, at work, and a deadline that its caller gave', async () => {
    const pair = new SimPair();
    pair.server.handle('hang', () => new Promise(() => {}), { early: 'safe' });
    const error = await failure(pair, pair.peer.call('hang', 1, { deadline: 2000 }));
    expect(error.code).toBe('DEADLINE_EXCEEDED');
    expect(error.report).toMatchObject({
      state: 'working',
      working: true,
      overdue: true,
      queuedMs: 0,
      sinceSentMs: 2000,
      requestAckedBytes: error.report.requestBytes,
      limits: { deadline: 'given', deadlineAfterMs: 2000 },
      peer: { health: 'live', rttMeasured: true, unansweredProbes: 0 },
    });
    // 10 ms, and the 5 ms for which the first acknowledgement may be held back.
    expect(error.report.peer.smoothedRttMs).toBeGreaterThanOrEqual(10);
    expect(error.report.peer.smoothedRttMs).toBeLessThanOrEqual(15);
    const words = explain(error);
    expect(words).toContain('the peer acknowledged all of it. It failed 2000 ms after');
    expect(words).toContain('The peer said that its handler was at work.');
    expect(words).toContain('Its caller gave it 2000 ms');
    expect(words).toContain('The peer counted as live');
  });

  it('says from how many answers a learnt deadline comes', async () => {
    const pair = new SimPair();
    let slow = false;
    pair.server.handle('work', () => (slow ? new Promise(() => {}) : pair.sleep(10)), { early: 'safe' });
    for (let i = 0; i < 20; i++) await pair.run(pair.peer.call('work', i));
    slow = true;
    const error = await failure(pair, pair.peer.call('work', 'x'));
    const { limits } = error.report;
    expect(limits).toMatchObject({ deadline: 'adaptive', deadlineAfterMs: 15_000 });
    expect(limits.basis.source).toBe('peer');
    expect(Math.round(limits.basis.samples)).toBe(17);
    expect(limits.basis.p95Ms).toBeGreaterThan(8);
    expect(limits.basis.p95Ms).toBeLessThan(16);
    expect(error.elapsedMs).toBe(15_000);
    expect(explain(error)).toMatch(
      /Its deadline of 15\.0 s was learnt, from 17 recent answers of this peer \(95 % within 1\d ms and the way\), 17 of all peers/,
    );
  });

  it('of which half the request had gone: a part, and what was acknowledged of it', async () => {
    const pair = new SimPair({ link: { bandwidthBytesPerMs: 100 } });
    pair.server.handle('swallow', () => 1);
    const error = await failure(
      pair,
      pair.peer.call('swallow', new Uint8Array(4_000_000), { deadline: 3000 }),
    );
    expect(error).toMatchObject({ code: 'DEADLINE_EXCEEDED', executed: 'no' });
    const { report } = error;
    expect(report.state).toBe('sending');
    expect(report.requestAckedBytes).toBeGreaterThan(50_000);
    expect(report.requestAckedBytes).toBeLessThan(400_000);
    expect(report.requestDatagrams).toBeGreaterThan(50);
    expect(explain(error)).toContain('A part of its request of');
  });

  it('of which half the answer had come: how much of it', async () => {
    const pair = new SimPair({ link: { bandwidthBytesPerMs: 100 } });
    pair.server.handle('much', () => new Uint8Array(4_000_000), { early: 'safe' });
    const error = await failure(pair, pair.peer.call('much', 1, { deadline: 3000 }));
    const { report } = error;
    expect(report.state).toBe('answering');
    expect(report.answerBytes).toBeGreaterThan(4_000_000);
    expect(report.answerArrivedBytes).toBeGreaterThan(50_000);
    expect(report.answerArrivedBytes).toBeLessThan(report.answerBytes!);
    expect(explain(error)).toContain(
      `Of the answer, ${report.answerArrivedBytes} of ${report.answerBytes} bytes`,
    );
  });

  it('to a peer that is known to be silent: refused, and since when it was not heard', async () => {
    const pair = new SimPair();
    pair.server.handle('hang', () => new Promise(() => {}), { early: 'safe' });
    const first = Promise.allSettled([pair.peer.call('hang', 1, NEVER)]);
    await pair.pass(500);
    pair.network.blackhole(SERVER_HOST);
    await pair.run(first);
    const error = await failure(pair, pair.peer.call('hang', 2));
    expect(error.code).toBe('PEER_SILENT');
    expect(error.report).toMatchObject({ state: 'refused', queuedMs: 0, peer: { health: 'silent' } });
    expect(error.report.peer.sinceHeardMs).toBeGreaterThan(400);
    expect(explain(error)).toContain('It was refused here, before anything was sent: the peer is silent.');
  });

  it('that broke a limit: which one', async () => {
    const pair = new SimPair({ config: { maxCallsPerPeer: 2, maxMessageBytes: 10_000 } });
    pair.server.handle('hang', () => new Promise(() => {}), { early: 'safe' });
    for (let i = 0; i < 2; i++) pair.peer.call('hang', i, NEVER).catch(() => {});
    const many = await failure(pair, pair.peer.call('hang', 3));
    expect(many).toMatchObject({
      code: 'OVERLOADED',
      report: { refusedBy: { limit: 'maxCallsPerPeer', max: 2 } },
    });
    const large = await failure(pair, pair.peer.call('hang', new Uint8Array(20_000)));
    expect(large).toMatchObject({ code: 'TOO_LARGE', report: { state: 'refused' } });
    expect(explain(large)).toContain('before anything was sent: maxMessageBytes is 10000.');
    await pair.close();
  });

  it('whose handler threw, too', async () => {
    const pair = new SimPair();
    pair.server.handle('throw', () => {
      throw new Error('no');
    });
    const error = await failure(pair, pair.peer.call('throw', 1));
    expect(error).toMatchObject({ code: 'HANDLER_FAILED', report: { state: 'answering', overdue: false } });
  });

  it('names all calls that waited for a peer when it went silent', async () => {
    const pair = new SimPair();
    pair.server.handle('hang', () => new Promise(() => {}), { early: 'safe' });
    const calls = Array.from({ length: 50 }, (_, i) => pair.peer.call('hang', i, NEVER));
    const settled = Promise.allSettled(calls);
    await pair.pass(500);
    pair.network.blackhole(SERVER_HOST);
    for (const outcome of await pair.run(settled)) {
      const { report } = (outcome as PromiseRejectedResult).reason as RpcError;
      expect(report?.peer.outstandingCalls).toBe(50);
    }
  });

  it('is plain data', async () => {
    const pair = new SimPair();
    const { report } = await failure(pair, pair.peer.call('nothing', 1));
    expect(structuredClone(report)).toEqual(report);
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  });
});

describe('explain', () => {
  it('tells of any error, and of what caused it, a few deep', () => {
    expect(explain('a string')).toBe('a string');
    expect(explain(new Error('it broke'))).toBe('it broke.');
    const circle = new Error('round');
    circle.cause = circle;
    expect(explain(circle).split('\n')).toHaveLength(5);
    expect(explain(new RpcError('CLOSED', 'it was closed', { cause: new Error('the disk went.') }))).toBe(
      'it was closed.\nCaused by: the disk went.',
    );
  });
});
