// Never mind, by the hundred thousand: `npm run bench -- cancel [--out FILE] [--json]`. Calls hang at a server
// on real sockets; one signal takes all of them back. Timed: until every promise has rejected, and until neither side
// holds anything of them. More of one client at one server are refused (P-74).

import { parseArgs } from 'node:util';
import { createEndpoint } from '../src/datagram/create-endpoint.ts';
import { createTcpEndpoint } from '../src/tcp/create-tcp-endpoint.ts';
import type { Transport } from '../src/transport/transport.ts';
import { saveSummary, thisMachine } from './machine.ts';

const { values: options } = parseArgs({
  options: { out: { type: 'string' }, json: { type: 'boolean', default: false } },
});

const CALLS = 100_000;
const REASON = new Error('never mind');

interface Figures {
  readonly transport: 'datagrams' | 'TCP';
  readonly calls: number;
  /** From the first call until all handlers run. */
  readonly startMs: number;
  /** In `abort()`: afterwards nothing of any of them is sent any more. */
  readonly abortMs: number;
  /** Until every promise has rejected. */
  readonly rejectedMs: number;
  /** Until neither side holds anything of them, and each handler has been told. */
  readonly nothingLeftMs: number;
  /** Processor time until then, of both sides together: what a machine that is busy otherwise leaves to compare. */
  readonly cpuMs: number;
  /** Datagrams that the client sent to take them back. */
  readonly datagrams?: number;
  readonly left: Readonly<Record<string, number>>;
  readonly heapMiB: { readonly before: number; readonly outstanding: number; readonly after: number };
}

const LEFT = [
  'outstandingCalls',
  'outstandingBytes',
  'runningRequests',
  'reassemblyBytes',
  'keptAnswerBytes',
];

async function measure(transport: Figures['transport']): Promise<Figures> {
  const open = (): Promise<Transport> =>
    transport === 'datagrams'
      ? createEndpoint({ host: '127.0.0.1' })
      : createTcpEndpoint({ host: '127.0.0.1', config: { maxCallsPerPeer: CALLS } });
  const server = await open();
  const client = await open();
  let running = 0;
  server.handle('hang', (_request, { signal }) => {
    running++;
    signal.addEventListener('abort', () => running--, { once: true });
    return new Promise(() => {});
  });
  const peer = client.peer(server.address);
  const before = heapMiB();
  const caller = new AbortController();
  const startedAt = performance.now();
  const calls: Promise<unknown>[] = [];
  const untilAborted = { signal: caller.signal, deadline: Number.POSITIVE_INFINITY };
  for (let i = 0; i < CALLS; i++) calls.push(peer.call('hang', i, untilAborted));
  const settled = Promise.allSettled(calls);
  while (running < CALLS) await new Promise((resolve) => setTimeout(resolve, 5));
  const startMs = performance.now() - startedAt;
  const outstanding = heapMiB();

  const sentBefore = client.status().counters['datagramsSent'];
  const cpuBefore = process.cpuUsage();
  const abortedAt = performance.now();
  caller.abort(REASON);
  const abortMs = performance.now() - abortedAt;
  const outcomes = await settled;
  const rejectedMs = performance.now() - abortedAt;
  const wrong = outcomes.filter((outcome) => outcome.status !== 'rejected' || outcome.reason !== REASON);
  if (wrong.length > 0) throw new Error(`${wrong.length} calls were not rejected with the signal's reason`);
  calls.length = 0;
  while (running > 0 || Object.values(left(client, server)).some((count) => count > 0)) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    if (performance.now() - abortedAt > 30_000) break;
  }
  const nothingLeftMs = performance.now() - abortedAt;
  const cpu = process.cpuUsage(cpuBefore);
  const sentAfter = client.status().counters['datagramsSent'];
  const figures = {
    transport,
    calls: CALLS,
    startMs: Math.round(startMs),
    abortMs: Math.round(abortMs),
    rejectedMs: Math.round(rejectedMs),
    nothingLeftMs: Math.round(nothingLeftMs),
    cpuMs: Math.round((cpu.user + cpu.system) / 1000),
    ...(sentBefore !== undefined && sentAfter !== undefined && { datagrams: sentAfter - sentBefore }),
    left: { ...left(client, server), handlers: running },
  };
  await Promise.all([client.close(), server.close()]);
  await new Promise((resolve) => setTimeout(resolve, 50));
  return { ...figures, heapMiB: { before, outstanding, after: heapMiB() } };
}

function left(client: Transport, server: Transport): Record<string, number> {
  const [here, there] = [client.status().gauges, server.status().gauges];
  return Object.fromEntries(LEFT.map((name) => [name, (here[name] ?? 0) + (there[name] ?? 0)]));
}

function heapMiB(): number {
  globalThis.gc?.();
  return Math.round(process.memoryUsage().heapUsed / 2 ** 20);
}

const machine = thisMachine();
if (!options.json) console.log('100,000 outstanding calls taken back by one signal.\n');
const results: Figures[] = [];
for (const transport of ['datagrams', 'TCP'] as const) {
  const figures = await measure(transport);
  results.push(figures);
  if (options.json) continue;
  const { startMs, abortMs, rejectedMs, nothingLeftMs, cpuMs, datagrams, heapMiB: heap } = figures;
  console.log(
    `${transport}: started in ${startMs} ms; abort() took ${abortMs} ms, all rejected after ${rejectedMs} ms,`,
  );
  console.log(
    `  nothing left on either side after ${nothingLeftMs} ms (processor: ${cpuMs} ms)${datagrams === undefined ? '' : `, ${datagrams} datagrams`};`,
  );
  console.log(
    `  left: ${JSON.stringify(figures.left)}; heap ${heap.before}, ${heap.outstanding}, ${heap.after} MiB\n`,
  );
}
await saveSummary({ type: 'summary', version: 1, suite: 'cancel', machine, results }, options);
