// How long the first call of a client takes that has never met the server: from before it connects, if it does, to the answer,
// over a link with a round trip of 100 ms on which nothing is lost.
//   npm run bench:net -- first-call [--clients 20] [--system NAME …] [--out FILE] [--json]     (root, Linux)

import { parseArgs } from 'node:util';
import { openLossyLink, whyNoLink } from './lossy-link.ts';
import { quantile, saveSummary, thisMachine } from './machine.ts';
import { startClient, startServer } from './peers/server-process.ts';

const { values: options } = parseArgs({
  options: {
    net: { type: 'boolean', default: false },
    clients: { type: 'string', default: '20' },
    system: {
      type: 'string',
      multiple: true,
      default: ['nevermind', 'nevermind over TCP', 'grpc-js', 'tcp', 'dht-rpc', 'udp-request', 'coap'],
    },
    out: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

const ROUND_TRIP_MS = 100;
const BODY_BYTES = 64;

const missing = options.net ? await whyNoLink() : 'it is a suite of "npm run bench:net"';
if (missing !== undefined) {
  console.error(`There can be no link here: ${missing}.`);
  process.exit(1);
}
const machine = thisMachine();
const results: {
  system: string;
  clients: number;
  min: number;
  p50: number;
  max: number;
  roundTrips: number;
}[] = [];
for (const system of options.system) {
  await using link = await openLossyLink({ delayMs: ROUND_TRIP_MS / 2, lossPercent: 0 });
  await using server = await startServer(system, link.b.address, link.b);
  await using client = startClient(system, server.address, link.a);
  const order = { type: 'first calls', clients: Number(options.clients), bodyBytes: BODY_BYTES } as const;
  const timesMs = (await client.ask(order)) as number[];
  const [min, p50, max] = [0, 0.5, 1].map((share) => Number(quantile(timesMs, share).toFixed(1))) as [
    number,
    number,
    number,
  ];
  const roundTrips = Math.floor(min / ROUND_TRIP_MS);
  results.push({ system, clients: timesMs.length, min, p50, max, roundTrips });
  if (options.json) continue;
  console.log(
    `${system.padEnd(20)} ${roundTrips} round trips: ${min} ms at least, ${p50} in the middle, ${max}`,
  );
}
const setting = { where: 'link', roundTripMs: ROUND_TRIP_MS, bodyBytes: BODY_BYTES };
await saveSummary({ type: 'summary', version: 1, suite: 'first-call', machine, setting, results }, options);
