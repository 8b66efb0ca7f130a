// What a server says to Tahoe-LAFS's HTTP protocol, as our client gets it: a status, a header, a body. What must hold: each
// operation gives what it promises, or fails with an error of ours.
//
// An input: which operation, the status less 100, the length of Content-Range and Content-Range, the body.

import { ResponseTimes } from '../../../src/base/response-times.ts';
import { RetryBudget } from '../../../src/base/retry-budget.ts';
import { encodeCbor } from '../../../src/gbs/cbor.ts';
import { GbsStorageServer } from '../../../src/gbs/gbs-server.ts';
import type { HttpAnswer } from '../../../src/gbs/pinned-https.ts';
import { VirtualClock } from '../../../src/sim/clock.ts';
import { StorageError } from '../../../src/storage/storage-server.ts';
import { RpcError } from '../../../src/transport/error.ts';
import { assert, CountingRandom, type FuzzTarget, text } from '../target.ts';

const storageIndex = new Uint8Array(16).fill(5);
const upload = { storageIndex, shareNumber: 2, uploadSecret: new Uint8Array(32).fill(1) };
const lease = { renewSecret: new Uint8Array(32), cancelSecret: new Uint8Array(32) };
const WANTED = [0, 2, 5];
const READ_BYTES = 20;

/** What is said to the next request. */
let answer: HttpAnswer = { status: 500, contentRange: undefined, body: new Uint8Array(0) };
/** One for all executions: it remembers uploads, and nothing that an answer makes it believe of the others. */
const server = new GbsStorageServer(
  { spkiHash: new Uint8Array(32), host: '10.0.0.1', port: 1, swissnum: 's' },
  {
    clock: new VirtualClock(),
    random: new CountingRandom(),
    cohort: new ResponseTimes(),
    retries: new RetryBudget(),
    connect: () => ({ exchange: async () => answer, close() {} }),
  },
);

function isShareNumbers(numbers: readonly number[]): boolean {
  return numbers.every((number) => Number.isInteger(number) && number >= 0 && number < 256);
}

/** Each asks once, and looks at what it is given. */
const OPERATIONS: readonly (() => Promise<unknown>)[] = [
  async () => {
    const { applicationVersion, maximumImmutableShareSize, availableSpace } = await server.version();
    assert(typeof applicationVersion === 'string', 'a version is a text');
    for (const size of [maximumImmutableShareSize, availableSpace]) {
      assert(Number.isSafeInteger(size) && size >= 0, 'a size is a whole number');
    }
  },
  async () => {
    const { alreadyHave, allocated } = await server.allocate({
      storageIndex,
      shareNumbers: WANTED,
      allocatedSize: 6,
      uploadSecret: upload.uploadSecret,
      lease: () => lease,
    });
    for (const number of [...alreadyHave, ...allocated]) {
      assert(WANTED.includes(number), 'nothing is granted that was not asked for');
    }
    assert(
      !allocated.some((number) => alreadyHave.includes(number)),
      'a share is there, or is to be written',
    );
  },
  () => server.write(upload, 0, text('abcdef')),
  () => server.close(upload),
  () => server.abort(upload),
  async () => {
    assert(isShareNumbers(await server.list(storageIndex)), 'what is listed are share numbers');
  },
  async () => {
    const bytes = await server.read(storageIndex, 2, 10, READ_BYTES);
    assert(bytes.length <= READ_BYTES, 'no more is read than was asked for');
  },
  () => server.addLease(storageIndex, () => lease),
  () => server.adviseCorrupt(storageIndex, 2, 'rotten'),
];

export const target: FuzzTarget = {
  maxBytes: 1024,
  covers: ['gbs/gbs-server.ts', 'gbs/cbor.ts', 'gbs/server-calls.ts'],
  seeds: [
    said(0, 200, '', {
      'http://allmydata.org/tahoe/protocols/storage/v1': {
        'maximum-immutable-share-size': 1000,
        'maximum-mutable-share-size': 1000,
        'available-space': 2n ** 60n,
      },
      'application-version': text('tahoe-lafs/1.20'),
    }),
    said(1, 200, '', { 'already-have': new Set([2]), allocated: new Set([0, 5]) }),
    said(2, 200, '', { required: [{ begin: 6, end: 9 }] }),
    said(2, 201, '', { required: [] }),
    said(4, 200, ''),
    said(5, 200, '', new Set([1, 2, 255])),
    said(6, 206, 'bytes 10-19/*', undefined, text('0123456789')),
    said(6, 204, ''),
    said(7, 204, ''),
    said(8, 200, ''),
    ...[400, 401, 404, 405, 409, 413, 416, 500, 503, 507].map((status) => said(status % 9, status, '')),
  ],
  dictionary: [encodeCbor(new Set([0, 2, 5])), encodeCbor({ required: [] }), text('bytes 10-'), text('/*')],
  async run(input) {
    const [which = 0, high = 0, low = 0, rangeLength = 0] = input;
    const bodyAt = 4 + rangeLength;
    answer = {
      status: 100 + ((high * 256 + low) % 900),
      contentRange: rangeLength === 0 ? undefined : Buffer.from(input.subarray(4, bodyAt)).toString('latin1'),
      body: input.slice(bodyAt),
    };
    try {
      await OPERATIONS[which % OPERATIONS.length]!();
    } catch (error) {
      assert(error instanceof StorageError || error instanceof RpcError, `an error of ours, not ${error}`);
    }
  },
};

function said(which: number, status: number, range: string, value?: unknown, bytes?: Uint8Array): Uint8Array {
  const body = value === undefined ? (bytes ?? new Uint8Array(0)) : encodeCbor(value);
  const head = [which, (status - 100) >> 8, (status - 100) & 255, range.length];
  return Buffer.concat([Uint8Array.from(head), text(range), body]);
}
