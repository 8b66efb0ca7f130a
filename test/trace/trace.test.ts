// Traces: what is in them, in the order in which it happened, without secrets; and their files, whole and bounded.

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSimTransport } from '../../src/sim/transport.ts';
import { type QlogRecord, QlogTrace, qlogHeader } from '../../src/trace/qlog-trace.ts';
import { openTraceFile } from '../../src/trace/trace-file.ts';
import { readHeader } from '../../src/wire/datagram.ts';
import { decodeFrames } from '../../src/wire/frame.ts';
import { outcomes, SERVER_HOST, SimPair, type SimPairOptions } from '../datagram/sim-pair.ts';

/** A client that is traced, beside the pair's own. */
class TracedPair extends SimPair {
  readonly records: QlogRecord[] = [];
  readonly traced = openSimTransport({
    network: this.network,
    host: '10.0.0.9',
    random: this.random.fork('traced'),
    observer: new QlogTrace(this.network.clockOf('10.0.0.9'), (record) => this.records.push(record)),
  });
  readonly tracedPeer = this.traced.peer(this.server.address);

  constructor(options: SimPairOptions = {}) {
    super(options);
    this.server.handle('echo', (body) => body, { early: 'safe' });
    this.server.handle('hang', () => new Promise(() => {}), { early: 'safe' });
  }

  named(name: string): QlogRecord[] {
    return this.records.filter((record) => record.name === name);
  }
}

const GROUP = `to ${SERVER_HOST}:4820`;

describe('a trace', () => {
  it('tells of a call, its packets and what they taught', async () => {
    const pair = new TracedPair();
    await pair.run(pair.tracedPeer.call('echo', 'hello'));
    await pair.pass(1000);
    expect(pair.records[0]).toEqual({
      time: 0,
      name: 'nevermind:call_started',
      group_id: GROUP,
      data: { call_id: 1, method: 'echo', request_bytes: 11, deadline_ms: 30_000, overdue_ms: 1499 },
    });
    expect(pair.named('transport:packet_sent')[0]).toEqual({
      time: 0,
      name: 'transport:packet_sent',
      group_id: GROUP,
      data: {
        header: { packet_type: 'initial', packet_number: 0, scid: '01' },
        raw: { length: 1200 },
        frames: [
          expect.objectContaining({ frame_type: 'hello' }),
          { frame_type: 'stream', stream_id: 1, offset: 0, length: 11, fin: true, remaining_ms: 30_000 },
        ],
      },
    });
    expect(pair.named('transport:packet_received')[0]).toMatchObject({
      time: 10,
      data: {
        header: { packet_type: 'initial', packet_number: 0, scid: '01' },
        frames: [
          { frame_type: 'hello' },
          { frame_type: 'ack', acked_ranges: [[0, 0]] },
          { frame_type: 'stream', stream_id: 1, offset: 0, length: 6, fin: true, status: 0 },
        ],
      },
    });
    expect(pair.named('recovery:metrics_updated')[0]?.data).toMatchObject({
      smoothed_rtt: 10,
      min_rtt: 10,
      bytes_in_flight: 0,
    });
    expect(pair.named('nevermind:call_ended')).toEqual([
      {
        time: 10,
        name: 'nevermind:call_ended',
        group_id: GROUP,
        data: { call_id: 1, elapsed_ms: 10, outcome: 'answered', answer_bytes: 6 },
      },
    ]);
  });

  it('has every packet that leaves and arrives, in order of time, each with its group', async () => {
    const pair = new TracedPair({ link: { lossProbability: 0.1, interfaceBytes: 9000 } });
    pair.server.handle('much', () => new Uint8Array(2_000_000), { early: 'safe' });
    await pair.run(pair.tracedPeer.call('much', new Uint8Array(1_000_000)));
    await pair.pass(5000);
    const { stats } = pair.traced;
    expect(pair.named('transport:packet_sent')).toHaveLength(stats.datagramsSent);
    const received =
      pair.named('transport:packet_received').length + pair.named('transport:packet_dropped').length;
    expect(received).toBe(stats.datagramsReceived);
    expect(pair.named('recovery:packet_lost').length).toBeGreaterThan(10);
    expect(pair.named('connectivity:mtu_updated').at(-1)?.data['new']).toBeGreaterThan(8000);
    const times = pair.records.map(({ time }) => time);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(new Set(pair.records.map(({ group_id }) => group_id))).toEqual(new Set([GROUP]));
    const sizes = pair
      .named('transport:packet_sent')
      .map(({ data }) => (data as { raw: { length: number } }).raw.length);
    const onTheWire = pair.sent.filter(({ from }) => from === '10.0.0.9').map(({ bytes }) => bytes.length);
    expect(sizes).toEqual(onTheWire);
    // Only what has changed is written again.
    const metrics = pair.named('recovery:metrics_updated').map(({ data }) => Object.keys(data).length);
    expect(Math.min(...metrics)).toBeLessThan(7);
  });

  it('tells why a call failed, and what became of its peer', async () => {
    const pair = new TracedPair();
    const calls = outcomes([
      pair.tracedPeer.call('hang', 1, { deadline: Number.POSITIVE_INFINITY }),
      pair.tracedPeer.call('hang', 2, { deadline: 500 }),
      pair.tracedPeer.call('hang', 3, { signal: AbortSignal.abort() }),
    ]);
    const controller = new AbortController();
    const fourth = outcomes([pair.tracedPeer.call('hang', 4, { signal: controller.signal })]);
    await pair.pass(1000);
    controller.abort();
    await fourth;
    pair.network.blackhole(SERVER_HOST);
    await pair.run(calls);
    pair.network.unblackhole(SERVER_HOST);
    await pair.pass(10_000);
    expect(
      pair
        .named('nevermind:call_ended')
        .map(({ data }) => [data['call_id'], data['code'] ?? data['outcome']]),
    ).toEqual([
      [2, 'DEADLINE_EXCEEDED'],
      [3, 'cancelled'],
      [1, 'PEER_SILENT'],
    ]);
    expect(pair.named('nevermind:call_ended')[0]?.data).toMatchObject({
      elapsed_ms: 500,
      executed: 'unknown',
      report: { state: 'working', limits: { deadline: 'given' } },
    });
    expect(pair.named('nevermind:peer_health_updated').map(({ data }) => data['health'])).toEqual([
      'live',
      'suspect',
      'silent',
      'live',
    ]);
  });

  it('of a server tells of requests', async () => {
    const pair = new SimPair();
    const records: QlogRecord[] = [];
    const server = openSimTransport({
      network: pair.network,
      host: '10.0.0.8',
      port: 1,
      random: pair.random.fork('traced'),
      observer: new QlogTrace(pair.clock, (record) => records.push(record)),
    });
    server.handle('hang', () => new Promise(() => {}), { early: 'safe' });
    const call = outcomes([pair.client.peer(server.address).call('hang', 1, { deadline: 300 })]);
    await pair.run(call);
    await pair.pass(100);
    const about = records.filter(({ name }) => name.startsWith('nevermind:request'));
    expect(about.map(({ name }) => name)).toEqual([
      'nevermind:request_started',
      'nevermind:request_cancelled',
    ]);
    expect(about[0]?.data).toEqual({ call_id: 1, method: 'hang', request_bytes: 1 });
    expect(new Set(records.map(({ group_id }) => group_id))).toEqual(new Set([about[0]!.group_id]));
    expect(about[0]!.group_id).toMatch(/^from 10\.0\.0\.2:/);
  });

  it('gives away neither what was said nor what opens sessions', async () => {
    const pair = new TracedPair();
    await pair.run(pair.tracedPeer.call('echo', 'open sesame'));
    await pair.pass(1000);
    const text = JSON.stringify(pair.records);
    expect(text).not.toContain('sesame');
    for (const { bytes } of pair.sent) {
      const header = readHeader(bytes);
      if (header.kind === 'init' || header.kind === 'resp') expect(text).not.toContain(String(header.from));
      if (header.kind === 'data' || header.kind === 'resp') expect(text).not.toContain(String(header.to));
      const frames = header.kind === 'init' ? decodeFrames(bytes.subarray(9)) : undefined;
      const hello = frames?.[0];
      if (hello?.type === 'hello') expect(text).not.toContain(String(hello.epoch));
    }
  });
});

describe('a trace file', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'nevermind-trace-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  /** RFC 7464. */
  async function records(path: string): Promise<Record<string, unknown>[]> {
    const text = await readFile(path, 'utf8');
    expect(text.startsWith('\u001e') && text.endsWith('\n')).toBe(true);
    return text
      .split('\u001e')
      .slice(1)
      .map((record) => JSON.parse(record) as Record<string, unknown>);
  }

  it('begins with the header that viewers look for, and has every record', async () => {
    const pair = new SimPair();
    const path = join(folder, 'whole.sqlog');
    const trace = await openTraceFile(path, { clock: pair.clock, title: 'a test' });
    const client = openSimTransport({
      network: pair.network,
      host: '10.0.0.9',
      random: pair.random.fork('traced'),
      observer: trace.observer,
    });
    pair.server.handle('echo', (body) => body, { early: 'safe' });
    for (let i = 0; i < 100; i++) await pair.run(client.peer(pair.server.address).call('echo', i));
    await pair.run(client.close());
    await trace.close();
    await trace.close();
    const [header, ...events] = await records(path);
    expect(header).toMatchObject({
      qlog_version: '0.3',
      qlog_format: 'JSON-SEQ',
      trace: {
        vantage_point: { name: 'a test', type: 'client' },
        common_fields: { time_format: 'relative', reference_time: expect.any(Number) },
      },
    });
    expect(events.filter(({ name }) => name === 'nevermind:call_ended')).toHaveLength(100);
    expect(events.filter(({ name }) => name === 'transport:packet_sent')).toHaveLength(
      client.stats.datagramsSent,
    );
    expect(events.every(({ group_id }) => typeof group_id === 'string')).toBe(true);
  });

  it('leaves out what does not fit into its buffer, and says how much', async () => {
    const path = join(folder, 'gap.sqlog');
    const trace = await openTraceFile(path, { bufferMax: 10 });
    for (let i = 0; i < 25; i++) trace.observer.callCancelled(i);
    await trace.close();
    trace.observer.callCancelled(1000);
    const [, ...events] = await records(path);
    expect(events).toHaveLength(11);
    expect(events.at(-1)).toMatchObject({ name: 'nevermind:records_left_out', data: { records: 15 } });
  });

  it('that cannot be written any more is given up, once', async () => {
    const errors: unknown[] = [];
    const trace = await openTraceFile('/dev/full', { onError: (error) => errors.push(error) });
    trace.observer.callCancelled(1);
    await trace.close();
    expect(errors).toEqual([expect.objectContaining({ code: 'ENOSPC' })]);
  });

  it('that cannot be opened is an error at once', async () => {
    await expect(openTraceFile(join(folder, 'no', 'such', 'folder'))).rejects.toMatchObject({
      code: 'ENOENT',
    });
  });
});

it('the header says on what clock times are', () => {
  expect(qlogHeader({ title: 't', vantagePoint: 'server', referenceUnixMs: 5 })).toMatchObject({
    trace: { vantage_point: { type: 'server' }, common_fields: { reference_time: 5 } },
  });
});
