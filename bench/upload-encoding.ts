// What encoding a file for upload costs on one core, encryption, erasure code and all hashes, beside SHA-256 alone over
// as many bytes (the floor that node:crypto sets) and python3-zfec, which does the code only. For bench/erasure.ts.
// Rates are of the input, by processor time as well: on a machine that others use, that says more than the clock.

import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { ChkEncoder } from '../src/grid/encode.ts';
import { segmentSizeFor } from '../src/tahoe/segments.ts';
import { median } from './machine.ts';

/** One figure: medians over rounds, in MB/s of input. */
export interface EncodingResult {
  readonly what: string;
  readonly wallMBps: number;
  /** Undefined where the work is done by another process. */
  readonly cpuMBps: number | undefined;
}

const NEEDED = 3;
const TOTAL = 10;
const SEGMENT_BYTES = segmentSizeFor(2 ** 30, NEEDED, 1024 * 1024);
const SEGMENTS_PER_ROUND = 32;
const ROUNDS = 15;

export function measureUploadEncoding(): EncodingResult[] {
  const segment = randomBytes(SEGMENT_BYTES);
  const block = segment.subarray(0, SEGMENT_BYTES / NEEDED);
  const results = [
    measured('encrypt, encode, hash 3 of 10', () => {
      const encoder = new ChkEncoder({
        key: new Uint8Array(16),
        sizeBytes: SEGMENTS_PER_ROUND * SEGMENT_BYTES,
        needed: NEEDED,
        total: TOTAL,
        segmentSizeBytes: SEGMENT_BYTES,
      });
      return () => {
        for (let index = 0; index < SEGMENTS_PER_ROUND; index++) encoder.encodeSegment(index, segment);
      };
    }),
    measured('SHA-256 of the same bytes', () => () => {
      for (let index = 0; index < SEGMENTS_PER_ROUND; index++) {
        // The whole crypttext, each segment of it, and each block.
        for (const bytes of [segment, segment, ...Array.from({ length: TOTAL }, () => block)]) {
          createHash('sha256').update(bytes).digest();
        }
      }
    }),
  ];
  const zfec = zfecMBps();
  if (zfec !== undefined)
    results.push({ what: 'python3-zfec, the code only', wallMBps: zfec, cpuMBps: undefined });
  return results;
}

function measured(what: string, prepare: () => () => void): EncodingResult {
  const inputMB = (SEGMENTS_PER_ROUND * SEGMENT_BYTES) / 1e6;
  const wall: number[] = [];
  const cpu: number[] = [];
  prepare()();
  for (let round = 0; round < ROUNDS; round++) {
    const run = prepare();
    const startMs = performance.now();
    const before = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(before);
    wall.push(inputMB / ((performance.now() - startMs) / 1000));
    cpu.push(inputMB / ((user + system) / 1e6));
  }
  return { what, wallMBps: Math.round(median(wall)), cpuMBps: Math.round(median(cpu)) };
}

const ZFEC = `
import os, time, zfec
encoder, block = zfec.Encoder(${NEEDED}, ${TOTAL}), os.urandom(${SEGMENT_BYTES / NEEDED})
blocks, rates = [block] * ${NEEDED}, []
for _ in range(${ROUNDS}):
    start = time.perf_counter()
    for _ in range(${SEGMENTS_PER_ROUND}): encoder.encode(blocks)
    rates.append(${SEGMENTS_PER_ROUND * SEGMENT_BYTES} / 1e6 / (time.perf_counter() - start))
print(sorted(rates)[len(rates) // 2])
`;

/** Undefined where no Python has it. */
function zfecMBps(): number | undefined {
  for (const python of ['python3', '/usr/bin/python3']) {
    const { status, stdout } = spawnSync(python, ['-c', ZFEC], { encoding: 'utf8' });
    if (status === 0) return Math.round(Number(stdout));
  }
  return undefined;
}
