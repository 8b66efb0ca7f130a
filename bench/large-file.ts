// How much memory a large file takes: storage nodes, `put` and `get` as processes of their own, on loopback, and the
// peak of each one's resident memory (Linux). The file is made up, and comes back through SHA-256 instead of a disk.
//
//   npm run bench -- large-file [--mib 1024] [--nodes 10] [--out FILE] [--json]

import { type ChildProcess, spawn } from 'node:child_process';
import { createCipheriv, createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { saveSummary, thisMachine } from './machine.ts';

const MIB = 1024 * 1024;
const MAIN_FILE = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));

const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '1024' },
    nodes: { type: 'string', default: '10' },
    out: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const sizeBytes = Number(values.mib) * MIB;
const nodeCount = Number(values.nodes);

const machine = thisMachine();
const folder = await mkdtemp(join(tmpdir(), 'nevermind-large-'));
const children: ChildProcess[] = [];
const names = new Map<ChildProcess, string>();
const peaks = new Map<string, number>();
const watch = setInterval(() => children.forEach(notePeak), 50);
try {
  const file = join(folder, 'file');
  const sha256 = await makeFile(file);
  const grid = join(folder, 'grid.yaml');
  const servers = await Promise.all(Array.from({ length: nodeCount }, (_, index) => startNode(index + 1)));
  await writeFile(grid, JSON.stringify({ servers }));

  const putAtMs = performance.now();
  const put = run('put', ['put', file, '--grid', grid]);
  const capability = (await text(put.stdout!)).trim();
  await succeeded(put, 'put');
  const putMs = performance.now() - putAtMs;

  const getAtMs = performance.now();
  const get = run('get', ['get', capability, '--grid', grid]);
  const hash = createHash('sha256');
  for await (const chunk of get.stdout!) hash.update(chunk);
  await succeeded(get, 'get');
  const getMs = performance.now() - getAtMs;
  if (hash.digest('hex') !== sha256) throw new Error('what came back is not what was put');

  await report(putMs, getMs);
} finally {
  clearInterval(watch);
  for (const child of children) child.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true, maxRetries: 10 });
}

async function report(putMs: number, getMs: number): Promise<void> {
  const nodePeaks = [...peaks].filter(([name]) => name.startsWith('node')).map(([, mib]) => mib);
  const results = [
    { operation: 'put', ms: Math.round(putMs), peakMiB: peaks.get('put') },
    { operation: 'get', ms: Math.round(getMs), peakMiB: peaks.get('get') },
    { operation: 'serve', peakMiB: Math.max(...nodePeaks), leastPeakMiB: Math.min(...nodePeaks) },
  ];
  const setting = { fileBytes: sizeBytes, nodes: nodeCount };
  if (!values.json) {
    console.log(
      `${values.mib} MiB through ${nodeCount} nodes; what came back has the SHA-256 of what was put`,
    );
    for (const { operation, ms, peakMiB } of results) {
      const rate = ms === undefined ? '' : `   ${(sizeBytes / MIB / (ms / 1000)).toFixed(1)} MiB/s`;
      console.log(`${operation.padEnd(5)}   peak ${peakMiB} MiB resident${rate}`);
    }
  }
  await saveSummary({ type: 'summary', version: 1, suite: 'large-file', machine, setting, results }, values);
}

/** Bytes that nothing compresses, the same in each run. Returns their SHA-256. */
async function makeFile(path: string): Promise<string> {
  const noise = createCipheriv('aes-128-ctr', Buffer.alloc(16, 1), Buffer.alloc(16));
  const hash = createHash('sha256');
  const zeros = Buffer.alloc(MIB);
  await using file = await open(path, 'w');
  for (let leftBytes = sizeBytes; leftBytes > 0; leftBytes -= MIB) {
    const chunk = noise.update(zeros.subarray(0, leftBytes));
    hash.update(chunk);
    await file.write(chunk);
  }
  return hash.digest('hex');
}

async function startNode(number: number): Promise<string> {
  const child = run(`node ${number}`, ['node', '--dir', join(folder, `node-${number}`)]);
  const [address] = await once(createInterface({ input: child.stdout! }), 'line');
  return address;
}

function run(name: string, args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, ['--import', 'tsx', MAIN_FILE, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  peaks.set(name, 0);
  names.set(child, name);
  return child;
}

async function succeeded(child: ChildProcess, name: string): Promise<void> {
  if (child.exitCode === null) await once(child, 'exit');
  if (child.exitCode !== 0) throw new Error(`${name} failed with exit code ${child.exitCode}`);
}

/** The kernel keeps the peak itself; it only has to be read before the process is gone. */
function notePeak(child: ChildProcess): void {
  if (child.exitCode !== null) return;
  try {
    const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
    const kib = /^VmHWM:\s+(\d+) kB/m.exec(status)?.[1];
    if (kib !== undefined) peaks.set(names.get(child)!, Math.round(Number(kib) / 1024));
  } catch {
    // It ended in this moment.
  }
}
