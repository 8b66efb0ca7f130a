// How fast one peer takes large messages over loopback, sealed: bodies of 10 MB, one after another, up (in the request)
// and down (in the answer), client and server in a process each.
//   npm run bench -- loopback [--rounds 15] [--out FILE] [--json]

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createEndpoint } from '../src/index.ts';
import { median, saveSummary, thisMachine } from './machine.ts';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '15' },
    out: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

const BODY_BYTES = 10_000_000;

if (positionals[0] === 'serve') await serve();
else await compare();

async function serve(): Promise<void> {
  const endpoint = await createEndpoint({ host: '127.0.0.1' });
  const body = new Uint8Array(BODY_BYTES).fill(7);
  endpoint.handle('up', (sent) => (sent as Uint8Array).length);
  endpoint.handle('down', () => body);
  endpoint.handle('cpu', cpuUs);
  console.log(endpoint.address);
}

async function compare(): Promise<void> {
  const machine = thisMachine();
  const server = spawn(process.execPath, ['--import', 'tsx', fileURLToPath(import.meta.url), 'serve'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [address] = (await once(createInterface({ input: server.stdout }), 'line')) as [string];
  await using endpoint = await createEndpoint();
  const peer = endpoint.peer(address);
  const body = new Uint8Array(BODY_BYTES).fill(7);
  const rates = { up: [] as number[], down: [] as number[] };
  const used = { up: { client: 0, server: 0 }, down: { client: 0, server: 0 } };
  for (let round = -2; round < Number(options.rounds); round++) {
    for (const method of ['up', 'down'] as const) {
      const serverBeforeUs = (await peer.call('cpu', null)) as number;
      const clientBeforeUs = cpuUs();
      const startedAtMs = performance.now();
      await peer.call(method, method === 'up' ? body : null);
      const elapsedMs = performance.now() - startedAtMs;
      // The first two warm up, and find out how long a datagram may be.
      if (round < 0) continue;
      rates[method].push(BODY_BYTES / 1000 / elapsedMs);
      used[method].client += cpuUs() - clientBeforeUs;
      used[method].server += ((await peer.call('cpu', null)) as number) - serverBeforeUs;
    }
  }
  server.kill();
  const results = (['up', 'down'] as const).map((direction) => ({
    direction,
    bodyBytes: BODY_BYTES,
    mbPerS: Math.round(median(rates[direction])),
    bestMbPerS: Math.round(Math.max(...rates[direction])),
    clientCpuUsPerMb: usPerMb(used[direction].client, rates[direction].length),
    serverCpuUsPerMb: usPerMb(used[direction].server, rates[direction].length),
  }));
  if (!options.json) console.table(results);
  await saveSummary({ type: 'summary', version: 1, suite: 'loopback', machine, results }, options);
}

/** Of this process since it began, collecting garbage included. */
function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function usPerMb(us: number, rounds: number): number {
  return Math.round(us / (rounds * (BODY_BYTES / 1e6)));
}
