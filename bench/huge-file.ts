// A file beyond 4 GiB there and back, in shares of version 2: `npm run bench -- huge-file [GiB] [--out FILE] [--json]`. Not part of
// the tests for what it takes: some minutes, and as much room in TMPDIR as the file has. The bytes are generated; one
// share holds all of them (1 of 1), so that its offsets pass 2^32. Ends with exit code 1 when a byte is not what it was.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { download } from '../src/grid/download.ts';
import type { UploadSource } from '../src/grid/source.ts';
import { upload } from '../src/grid/upload.ts';
import { verify } from '../src/grid/verify.ts';
import { DiskStorageServer } from '../src/storage/disk-server.ts';
import { parseCapability, storageIndexOf } from '../src/tahoe/capability.ts';
import { parseShareHeader, SHARE_HEADER_BYTES_MAX } from '../src/tahoe/share-layout.ts';
import { systemClock } from '../src/transport/system-clock.ts';
import { systemRandom } from '../src/transport/system-random.ts';
import { saveSummary, thisMachine } from './machine.ts';

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { out: { type: 'string' }, json: { type: 'boolean', default: false } },
});

const MIB = 1024 * 1024;
const sizeBytes = Math.round(Number(positionals[0] ?? 4.2) * 1024) * MIB + 7;
const machine = thisMachine();
const results: { readonly operation: string; readonly seconds: number; readonly mbPerS: number }[] = [];
const say = flags.json ? () => {} : console.log;
const pattern = Buffer.from(systemRandom.bytes(MIB));

/** Bytes [offset, offset + length) of the file: the pattern, with its own number in front of each MiB. */
function bytesAt(offset: number, length: number): Buffer {
  const first = Math.floor(offset / MIB);
  const last = Math.floor((offset + length - 1) / MIB);
  const blocks = Array.from({ length: last - first + 1 }, (_, index) => {
    const block = Buffer.from(pattern);
    block.writeDoubleBE(first + index, 0);
    return block;
  });
  return Buffer.concat(blocks).subarray(offset - first * MIB, offset - first * MIB + length);
}

const source: UploadSource = {
  sizeBytes,
  async *read(fromByte = 0) {
    for (let at = fromByte; at < sizeBytes; at += MIB) yield bytesAt(at, Math.min(MIB, sizeBytes - at));
  },
};

const folder = await mkdtemp(join(tmpdir(), 'nevermind-huge-'));
try {
  const clock = systemClock;
  await using server = await DiskStorageServer.open({
    folder,
    clock,
    unixSeconds: () => Date.now() / 1000,
  });
  const world = { clock, random: systemRandom };
  const options = { ...world, needed: 1, happy: 1, total: 1 };
  const { capability } = await timed('put', () => upload(source, [server], options));

  const parsed = parseCapability(capability);
  if (parsed.kind !== 'chk') throw new Error('the file is no CHK file');
  const header = await server.read(storageIndexOf(parsed), 0, 0, SHARE_HEADER_BYTES_MAX);
  const { version, uriExtensionOffset } = parseShareHeader(header);
  say(`share version ${version}, URI extension at ${uriExtensionOffset}`);

  const offsets = [0, 2 ** 31 - 5, 2 ** 32 - 100_000, 2 ** 32 - 5, sizeBytes - 200_000];
  for (const offset of offsets.filter((offset) => offset < sizeBytes)) {
    const length = Math.min(200_000, sizeBytes - offset);
    const parts: Uint8Array[] = [];
    for await (const part of download(capability, [server], { ...world, range: { offset, length } })) {
      parts.push(part);
    }
    if (!Buffer.concat(parts).equals(bytesAt(offset, length))) throw new Error(`wrong bytes at ${offset}`);
    say(`read ${length} bytes at ${offset}`);
  }
  const health = await timed('verify', () => verify(capability, [server], world));
  say(`healthy: ${health.healthy}, corrupt: ${health.corrupt.length}`);
  if (!health.healthy) process.exitCode = 1;
  const setting = { fileBytes: sizeBytes, shareVersion: version, healthy: health.healthy };
  await saveSummary({ type: 'summary', version: 1, suite: 'huge-file', machine, setting, results }, flags);
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function timed<T>(what: string, run: () => Promise<T>): Promise<T> {
  const startMs = performance.now();
  const result = await run();
  const seconds = (performance.now() - startMs) / 1000;
  const mbPerS = Math.round(sizeBytes / 1e6 / seconds);
  results.push({ operation: what, seconds: Number(seconds.toFixed(1)), mbPerS });
  say(`${what}: ${seconds.toFixed(1)} s, ${mbPerS} MB/s`);
  return result;
}
