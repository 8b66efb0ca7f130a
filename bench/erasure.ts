// How fast the erasure code is: `npm run bench -- erasure [--out FILE] [--json]`. Kernel and reference take turns in
// one run, because machines are shared; each figure is the median of its rounds. MB/s are of the segment: what goes
// into encode and comes out of decode. `product` is encode without its new blocks: the results go into the same
// blocks each time, which shows what fresh memory costs.

import { parseArgs } from 'node:util';
import { ErasureCodec } from '../src/erasure/codec.ts';
import { interpolationMatrix } from '../src/erasure/gf256.ts';
import { loadKernel } from '../src/erasure/kernel.ts';
import { type MatrixProduct, referenceProduct } from '../src/erasure/reference.ts';
import { median, saveSummary, thisMachine } from './machine.ts';
import { measureUploadEncoding } from './upload-encoding.ts';

const { values: options } = parseArgs({
  options: { out: { type: 'string' }, json: { type: 'boolean', default: false } },
});

interface Case {
  readonly implementation: 'kernel' | 'reference';
  readonly operation: 'product' | 'encode' | 'decode';
  readonly needed: number;
  readonly total: number;
  readonly sizeBytes: number;
  /** Does the operation once. */
  readonly run: () => void;
}

interface Result extends Omit<Case, 'run'> {
  readonly medianMBps: number;
  readonly worstMBps: number;
  readonly bestMBps: number;
}

const SEGMENT_BYTES = 1024 * 1024;
const ROUNDS = 31;
/** A round repeats the operation for at least so long: longer than the scheduler's slices of other processes. */
const ROUND_MS = 20;
const WARM_UP_MS = 400;

const machine = thisMachine();
const results = measure([...casesOf(3, 10), ...casesOf(7, 10)]);
const upload = measureUploadEncoding();
if (!options.json) {
  console.log('MB/s, 1 MiB segments: median (worst to best of the rounds)');
  for (const result of results) console.log(line(result));
  console.log('\nMB/s of input for an upload, 3 of 10, 1 MiB segments: by the clock, by processor time');
  for (const { what, wallMBps, cpuMBps = '' } of upload) {
    console.log(`${what.padEnd(30)} ${String(wallMBps).padStart(6)} ${String(cpuMBps).padStart(6)}`);
  }
}
const setting = { rounds: ROUNDS, segmentBytes: SEGMENT_BYTES };
await saveSummary(
  { type: 'summary', version: 1, suite: 'erasure', machine, setting, results, upload },
  options,
);

function casesOf(needed: number, total: number): Case[] {
  const kernel = loadKernel();
  return [
    ...(kernel === undefined ? [] : casesWith(needed, total, 'kernel', kernel)),
    ...casesWith(needed, total, 'reference', referenceProduct),
  ];
}

function casesWith(
  needed: number,
  total: number,
  implementation: Case['implementation'],
  product: MatrixProduct,
): Case[] {
  const codec = new ErasureCodec(needed, total, product);
  const blockBytes = Math.ceil(SEGMENT_BYTES / needed);
  const data = Array.from({ length: needed }, (_, block) =>
    Uint8Array.from({ length: blockBytes }, (_, i) => (i * 167 + block * 31 + (i >> 8)) & 0xff),
  );
  const numbers = Array.from({ length: total }, (_, shareNumber) => shareNumber);
  const shares = codec.encode(data, numbers);
  // The worst there is for a download: as many data shares lost as there are check shares.
  const kept = new Map(numbers.slice(-needed).map((shareNumber) => [shareNumber, shares[shareNumber]!]));
  const matrix = interpolationMatrix(numbers.slice(0, needed), numbers.slice(needed));
  const reused = shares.slice(needed).map((block) => block.slice());
  const common = { implementation, needed, total, sizeBytes: SEGMENT_BYTES };
  return [
    { ...common, operation: 'product', run: () => product(matrix, data, reused) },
    { ...common, operation: 'encode', run: () => void codec.encode(data, numbers) },
    { ...common, operation: 'decode', run: () => void codec.decode(kept) },
  ];
}

/** All cases in turn, round after round, so that a busy moment of the machine hits all of them alike. */
function measure(cases: readonly Case[]): Result[] {
  for (const { run } of cases) runFor(WARM_UP_MS, run);
  const samples = new Map<Case, number[]>(cases.map((each) => [each, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [{ run, sizeBytes }, rates] of samples) {
      const { times, elapsedMs } = runFor(ROUND_MS, run);
      rates.push((times * sizeBytes) / (elapsedMs * 1000));
    }
  }
  return [...samples].map(([{ run: _, ...what }, rates]) => {
    const [medianMBps, worstMBps, bestMBps] = [median(rates), Math.min(...rates), Math.max(...rates)];
    return {
      ...what,
      medianMBps: Math.round(medianMBps),
      worstMBps: Math.round(worstMBps),
      bestMBps: Math.round(bestMBps),
    };
  });
}

function runFor(durationMs: number, run: () => void): { times: number; elapsedMs: number } {
  const start = performance.now();
  let times = 0;
  let elapsedMs = 0;
  while (elapsedMs < durationMs) {
    run();
    times++;
    elapsedMs = performance.now() - start;
  }
  return { times, elapsedMs };
}

function line({ operation, needed, total, implementation, medianMBps, worstMBps, bestMBps }: Result): string {
  const what = `${operation} ${needed} of ${total}`.padEnd(17);
  return `${what} ${implementation.padEnd(10)} ${String(medianMBps).padStart(6)}  (${worstMBps} to ${bestMBps})`;
}
