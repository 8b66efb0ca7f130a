// Bulk transfer over a link with real loss, against the kernel's TCP in the same run; and the share of a bottleneck
// that one of our flows takes beside one TCP flow:
//   node --import tsx bench/bulk.ts [--loss 2] [--delay 25] [--seconds 10] [--rounds 1] [--json]
//   node --import tsx bench/bulk.ts --share [--delay 25] [--bandwidth-kb 2500] [--queue-kb 125] [--tcp cubic] …
// Needs root, vde_switch, wirefilter (lossy-link.ts) and iperf3. Percent, milliseconds and loss are those of one way.

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createEndpoint } from '../src/index.ts';
import type { ProtocolConfig } from '../src/protocol/config.ts';
import { type LinkEnd, type LossyLink, openLossyLink, whyNoLink } from './lossy-link.ts';
import { thisMachine } from './machine.ts';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    loss: { type: 'string', default: '2' },
    delay: { type: 'string', default: '25' },
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '1' },
    share: { type: 'boolean', default: false },
    'bandwidth-kb': { type: 'string', default: '2500' },
    'queue-kb': { type: 'string', default: '125' },
    tcp: { type: 'string', default: 'cubic' },
    net: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});

/** Of one message; so many are under way at once. */
const MESSAGE_BYTES = 100_000;
const AT_ONCE = 64;
const PORT = 4820;

type Algorithm = ProtocolConfig['congestion'];

/** What one flow has moved, in Mbit/s. */
interface Figure {
  readonly flow: string;
  readonly mbitPerS: number;
}

const [role, ...rest] = positionals;
if (role === 'serve') await serve(rest[0]!, rest[1] as Algorithm);
else if (role === 'fetch') await fetch(rest[0]!, rest[1] as Algorithm, Number(rest[2]));
else await compare();

// ---- both ends, each in a process of its own

async function serve(host: string, congestion: Algorithm): Promise<void> {
  const endpoint = await createEndpoint({ host, port: PORT, config: { congestion } });
  const body = new Uint8Array(MESSAGE_BYTES).fill(7);
  endpoint.handle('get', () => body);
  console.log(endpoint.address);
}

async function fetch(address: string, congestion: Algorithm, seconds: number): Promise<void> {
  await using endpoint = await createEndpoint({ config: { congestion } });
  const peer = endpoint.peer(address);
  // What has begun when the time is over does not count.
  const signal = AbortSignal.timeout(1000 * seconds);
  const call = { signal, deadline: Number.POSITIVE_INFINITY, expectedBytes: MESSAGE_BYTES };
  const startedAtMs = performance.now();
  let receivedBytes = 0;
  const lane = async () => {
    for (;;) {
      await peer.call('get', null, call);
      receivedBytes += MESSAGE_BYTES;
    }
  };
  await Promise.allSettled(Array.from({ length: AT_ONCE }, lane));
  console.log((8 * receivedBytes) / (performance.now() - startedAtMs) / 1000);
}

// ---- the run

async function compare(): Promise<void> {
  const missing = await whyNoLink();
  if (missing !== undefined) {
    console.error(`bench/bulk.ts cannot run here: ${missing}.`);
    process.exitCode = 1;
    return;
  }
  const figures: Figure[] = [];
  for (let round = 0; round < Number(options.rounds); round++) {
    figures.push(...(await (options.share ? shares() : solos())));
  }
  const machine = thisMachine();
  if (options.json) {
    console.log(
      JSON.stringify({ type: 'summary', version: 1, suite: 'bulk', options, machine, results: figures }),
    );
    return;
  }
  console.log(`${JSON.stringify(options)} ${JSON.stringify(machine)}`);
  for (const { flow, mbitPerS } of figures) console.log(`${flow.padEnd(40)} ${mbitPerS.toFixed(1)} Mbit/s`);
}

/** Each alone on the link, one after another. */
async function solos(): Promise<Figure[]> {
  const delayMs = Number(options.delay);
  await using link = await openLossyLink({ delayMs, lossPercent: Number(options.loss) });
  const figures: Figure[] = [];
  for (const algorithm of ['bbr', 'cubic'] as const) {
    figures.push({ flow: `TCP, ${algorithm}`, mbitPerS: await tcpFlow(link, algorithm) });
    figures.push({ flow: `nevermind, ${algorithm}`, mbitPerS: await ourFlow(link, algorithm) });
  }
  return figures;
}

/** Each of ours beside one TCP flow, through a bottleneck and without loss but its own. */
async function shares(): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const algorithm of ['bbr', 'cubic'] as const) {
    await using link = await openLossyLink({
      delayMs: Number(options.delay),
      lossPercent: 0,
      bandwidthBytesPerS: 1000 * Number(options['bandwidth-kb']),
      queueBytes: 1000 * Number(options['queue-kb']),
    });
    const [ours, theirs] = await Promise.all([ourFlow(link, algorithm), tcpFlow(link, options.tcp)]);
    const beside = `beside ${((100 * ours) / (ours + theirs)).toFixed(0)} % nevermind, ${algorithm}`;
    figures.push({ flow: `nevermind, ${algorithm}, beside TCP, ${options.tcp}`, mbitPerS: ours });
    figures.push({ flow: `TCP, ${options.tcp}, ${beside}`, mbitPerS: theirs });
  }
  return figures;
}

/** From b to a, as all flows here. */
async function ourFlow({ a, b }: LossyLink, algorithm: Algorithm): Promise<number> {
  const server = ourselves(b, ['serve', b.address, algorithm]);
  let address = '';
  for await (const line of createInterface({ input: server.stdout! })) {
    address = line;
    break;
  }
  try {
    const client = ourselves(a, ['fetch', address, algorithm, options.seconds]);
    return Number(await text(client.stdout!));
  } finally {
    server.kill();
  }
}

function ourselves(end: LinkEnd, args: readonly string[]): ChildProcess {
  return end.spawn(process.execPath, ['--import', 'tsx', fileURLToPath(import.meta.url), ...args]);
}

async function tcpFlow({ a, b }: LossyLink, algorithm: string): Promise<number> {
  const server = b.spawn('iperf3', ['--server', '--one-off', '--forceflush']);
  for await (const line of createInterface({ input: server.stdout! })) if (line.includes('listening')) break;
  server.stdout!.resume();
  const args = [
    '--client',
    b.address,
    '--reverse',
    '--json',
    '--time',
    options.seconds,
    '--congestion',
    algorithm,
  ];
  const report = JSON.parse(await text(a.spawn('iperf3', args).stdout!));
  if (server.exitCode === null) await once(server, 'exit');
  return report.end.sum_received.bits_per_second / 1e6;
}
