// `npm run bench -- SUITE …`: runs one benchmark. Each suite is a program of its own, which reads the options behind its
// name and, with `--json`, ends with one line {"type":"summary","version":1,"suite":…}; bench/README.md has their fields.

import { inWords, thisMachine } from './machine.ts';

const SUITES: Readonly<Record<string, string>> = {
  bulk: 'large messages: simulated, or (bench:net, root) over a link that loses, beside TCP, and sharing with it',
  calls: 'small calls over loopback, beside what else there is',
  cancel: 'a hundred thousand calls taken back at once',
  deadlines:
    'how soon a late peer is noticed, and how often a healthy one is blamed, beside three other rules',
  erasure: 'the erasure code, and encoding for upload',
  'first-call': 'the first call of a client that has never met the server, over 100 ms (bench:net, root)',
  flood: 'a storage node under a flood of random, mutated and spoofed datagrams (Linux)',
  grid: 'files on ten storage nodes, some of which freeze; over UDP and over TCP',
  'huge-file': 'a file beyond 4 GiB (shares of version 2), up, down in ranges, and verified',
  'large-file': 'a file larger than memory, up and down',
  latency: 'calls at a steady rate while datagrams are lost: simulated, or (bench:net, root) on a link',
  loopback: 'messages of 10 MB over loopback, sealed, up and down',
  memory: 'what a known peer, a session and an outstanding call cost',
  observability: 'what it costs to be observed',
  sealing: 'what the seal costs small calls',
  publish: 'draw what is in bench/results, and put its tables into the README',
  silence: 'a peer vanishes with 102 calls outstanding (bench:net, root)',
  'silent-server': 'the grid with one of five servers stopped, beside Tahoe-LAFS (Python 3)',
};

// `npm run bench:net` puts `--net` in front.
const args = process.argv.slice(2);
const suite = args.find((arg) => arg !== '--net');
const rest = args.filter((arg) => arg !== suite);
if (suite !== undefined && Object.hasOwn(SUITES, suite)) {
  process.argv = [...process.argv.slice(0, 2), ...rest];
  if (!rest.includes('--json')) console.log(`${suite}: ${inWords(thisMachine())}\n`);
  await import(`./${suite}.ts`);
} else {
  console.error(suite === undefined ? 'Which suite?' : `There is no suite called ${suite}.`);
  for (const [name, what] of Object.entries(SUITES))
    console.error(`  npm run bench -- ${name.padEnd(14)} ${what}`);
  process.exitCode = 2;
}
