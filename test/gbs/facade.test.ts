// Our server as clients of Tahoe-LAFS see it, over real sockets. The statuses are those that a Tahoe-LAFS 1.20 server
// was seen to give to the same requests; test/interop lets a real client ask.

import { connect } from 'node:tls';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { base32Encode } from '../../src/base/base32.ts';
import { decodeCbor, encodeCbor, field } from '../../src/gbs/cbor.ts';
import { makeTlsIdentity } from '../../src/gbs/certificate.ts';
import type { GbsStorageServer } from '../../src/gbs/gbs-server.ts';
import { type HttpsFacade, serveHttps } from '../../src/gbs/https-facade.ts';
import { type Nurl, parseNurl } from '../../src/gbs/nurl.ts';
import { type HttpAnswer, PinnedHttps } from '../../src/gbs/pinned-https.ts';
import type { DiskStorageServer } from '../../src/storage/disk-server.ts';
import { systemClock } from '../../src/transport/system-clock.ts';
import {
  content,
  MEMORY_FOLDER,
  memoryDisk,
  openServer,
  put,
  secret,
  storageIndex,
} from '../storage/helpers.ts';
import { clientOf } from './scripted-https.ts';

const IDENTITY = makeTlsIdentity();
const SI = storageIndex(1);
const PATH = `/immutable/${base32Encode(SI)}`;
const LEASE = { 'lease-renew-secret': secret('renew'), 'lease-cancel-secret': secret('cancel') };
const UPLOAD = { 'upload-secret': secret('upload') };
const OCTETS = { 'Content-Type': 'application/octet-stream' };

let disk: DiskStorageServer;
let facade: HttpsFacade;
let nurl: Nurl;
let client: GbsStorageServer;

beforeEach(async () => {
  disk = await openServer({ files: memoryDisk(), folder: MEMORY_FOLDER });
  facade = await serveHttps({
    server: disk,
    swissnum: 'swiss',
    identity: IDENTITY,
    host: '127.0.0.1',
    port: 0,
  });
  nurl = parseNurl(facade.address);
  client = clientOf(nurl);
  onTestFinished(async () => {
    await facade[Symbol.asyncDispose]();
    await disk.stop();
  });
});

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH';

interface Raw {
  readonly secrets?: Readonly<Record<string, Uint8Array>>;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly cbor?: unknown;
  readonly body?: Uint8Array;
  readonly swissnum?: string;
}

async function ask(method: Method, path: string, raw: Raw = {}): Promise<HttpAnswer> {
  const { secrets = {}, headers = {}, cbor, body, swissnum = 'swiss' } = raw;
  const https = new PinnedHttps(nurl, systemClock, { onRoundTrip() {}, onHeard() {}, onCertificate() {} });
  const lines = Object.entries(secrets).map(
    ([kind, value]) => `${kind} ${Buffer.from(value).toString('base64')}`,
  );
  try {
    return await https.exchange(
      {
        method,
        path: `/storage/v1${path}`,
        headers: {
          Authorization: `Tahoe-LAFS ${Buffer.from(swissnum).toString('base64')}`,
          'X-Tahoe-Authorization': lines,
          ...headers,
        },
        body: cbor === undefined ? body : encodeCbor(cbor),
        answerBytesMax: 2 ** 24,
      },
      new AbortController().signal,
    );
  } finally {
    https.close();
  }
}

function allocate(
  shareNumbers: readonly number[],
  allocatedSize: number,
  upload = UPLOAD,
): Promise<HttpAnswer> {
  const cbor = { 'share-numbers': new Set(shareNumbers), 'allocated-size': allocatedSize };
  return ask('POST', PATH, { secrets: { ...LEASE, ...upload }, cbor });
}

function write(share: number, offset: number, body: Uint8Array, upload = UPLOAD): Promise<HttpAnswer> {
  const headers = { ...OCTETS, 'Content-Range': `bytes ${offset}-${offset + body.length - 1}/*` };
  return ask('PATCH', `${PATH}/${share}`, { secrets: upload, headers, body });
}

function setOf(answer: HttpAnswer, name?: string): number[] {
  const body = decodeCbor(answer.body);
  return [...((name === undefined ? body : field(body, name)) as Set<number>)].sort((a, b) => a - b);
}

describe('a client of our own', () => {
  test('puts a share and gets it back, in any order and at any length', async () => {
    const data = content(2_500_000);
    const upload = { storageIndex: SI, shareNumber: 7, uploadSecret: secret('mine') };
    const request = { ...upload, shareNumbers: [7, 9], allocatedSize: data.length };
    expect(await client.allocate(request)).toEqual({ alreadyHave: [], allocated: [7, 9] });
    await client.write(upload, 1_200_000, data.subarray(1_200_000));
    await client.write(upload, 0, data.subarray(0, 1_300_000));
    await client.close(upload);
    await client.abort({ ...upload, shareNumber: 9 });
    expect(await client.list(SI)).toEqual([7]);
    expect(Buffer.compare(await client.read(SI, 7, 0, 3_000_000), data)).toBe(0);
    expect(Buffer.compare(await client.read(SI, 7, 2_499_990, 100), data.subarray(2_499_990))).toBe(0);
    expect(await client.read(SI, 7, 2_500_000, 100)).toHaveLength(0);
    expect(disk.uploadsUnderWay).toBe(0);
  });

  test('sees the version, adds leases and tells of corruption', async () => {
    await put(disk, { storageIndex: SI, shareNumber: 0, uploadSecret: secret(0) }, content(100));
    expect(await client.version()).toEqual(await disk.version());
    const lease = { renewSecret: secret('r'), cancelSecret: secret('c') };
    await client.addLease(SI, () => lease);
    await client.adviseCorrupt(SI, 0, 'its block hash does not fit');
  });

  test('that goes away in the middle of a write does not keep the server from anything', async () => {
    const upload = { storageIndex: SI, shareNumber: 0, uploadSecret: secret(0) };
    await client.allocate({ ...upload, shareNumbers: [0], allocatedSize: 1000 });
    const controller = new AbortController();
    const writing = client.write(upload, 0, content(1000), { signal: controller.signal });
    controller.abort(new Error('never mind'));
    await expect(writing).rejects.toBe(controller.signal.reason);
    await client.write(upload, 0, content(1000));
    expect(await client.list(SI)).toEqual([0]);
  });
});

describe('the HTTP protocol', () => {
  test('names what is missing of a share, and ends it with its last byte', async () => {
    expect(setOf(await allocate([1, 2], 100), 'allocated')).toEqual([1, 2]);
    const first = await write(1, 50, content(50));
    expect(first.status).toBe(200);
    expect(field(decodeCbor(first.body), 'required')).toEqual([
      new Map([
        ['begin', 0],
        ['end', 50],
      ]),
    ]);
    expect((await ask('GET', `${PATH}/1`)).status).toBe(404);
    const last = await write(1, 0, content(50));
    expect(last.status).toBe(201);
    expect(field(decodeCbor(last.body), 'required')).toEqual([]);
    expect((await write(1, 0, content(50))).status).toBe(404);
    expect(setOf(await ask('GET', `${PATH}/shares`))).toEqual([1]);
  });

  test('takes secrets of uploads that have any length', async () => {
    const short = { 'upload-secret': secret('short').subarray(0, 20) };
    await allocate([1], 10, short);
    expect((await write(1, 0, content(10), short)).status).toBe(201);
  });

  test('names every share that is there, also when it was not asked for', async () => {
    await allocate([1], 10);
    await write(1, 0, content(10));
    const answer = await allocate([4], 10);
    expect([setOf(answer, 'already-have'), setOf(answer, 'allocated')]).toEqual([[1], [4]]);
  });

  test('gives nothing to a second writer, nor more than there is room for, and calls neither an error', async () => {
    await allocate([1], 10);
    const other = { 'upload-secret': secret('other') };
    expect(setOf(await allocate([1], 10, other), 'allocated')).toEqual([]);
    expect(setOf(await allocate([2], 2 ** 45), 'allocated')).toEqual([]);
    expect((await write(1, 0, content(5), other)).status).toBe(401);
    expect((await ask('PUT', `${PATH}/1/abort`, { secrets: other })).status).toBe(401);
    expect((await ask('PUT', `${PATH}/1/abort`, { secrets: UPLOAD })).status).toBe(200);
    expect((await ask('PUT', `${PATH}/1/abort`, { secrets: UPLOAD })).status).toBe(404);
  });

  test('reads parts, and the whole', async () => {
    const data = content(3_000_000);
    await put(disk, { storageIndex: SI, shareNumber: 3, uploadSecret: secret(0) }, data);
    const part = await ask('GET', `${PATH}/3`, { headers: { Range: 'bytes=2999990-3000100' } });
    expect(part).toMatchObject({ status: 206, contentRange: 'bytes 2999990-2999999/*' });
    expect(Buffer.compare(part.body, data.subarray(2_999_990))).toBe(0);
    expect((await ask('GET', `${PATH}/3`, { headers: { Range: 'bytes=3000000-3000100' } })).status).toBe(204);
    expect(Buffer.compare((await ask('GET', `${PATH}/3`)).body, data)).toBe(0);
    expect((await ask('PUT', `${PATH}/3/abort`, { secrets: UPLOAD })).status).toBe(405);
  });

  test('does not know mutable files, and says so', async () => {
    const answer = await ask('GET', `/mutable/${base32Encode(SI)}/shares`);
    expect(answer.status).toBe(501);
    expect(Buffer.from(answer.body).toString()).toContain('immutable files only');
  });
});

describe('requests that are refused', () => {
  const secrets = { ...LEASE, ...UPLOAD };
  const good = { 'share-numbers': new Set([1]), 'allocated-size': 10 };
  test.each<[string, number, Method, string, Raw]>([
    ['another swissnum', 401, 'GET', '/version', { swissnum: 'other' }],
    ['an unknown path', 404, 'GET', '/nothing', {}],
    ['a step too many', 404, 'GET', '/version/1', {}],
    ['a storage index that is none', 404, 'GET', '/immutable/abc/shares', {}],
    ['a way out of the folder', 404, 'GET', '/immutable/../../etc/passwd', {}],
    ['a share number that is none', 404, 'GET', `${PATH}/01`, {}],
    ['a share number beyond 255', 404, 'GET', `${PATH}/256`, {}],
    ['a share that is not there', 404, 'GET', `${PATH}/0`, {}],
    ['a lease on nothing', 404, 'PUT', `/lease/${base32Encode(SI)}`, { secrets: LEASE }],
    ['corruption of nothing', 404, 'POST', `${PATH}/0/corrupt`, { cbor: { reason: 'x' } }],
    ['corruption without words', 400, 'POST', `${PATH}/0/corrupt`, { cbor: { reason: 1 } }],
    ['no secrets', 400, 'POST', PATH, { cbor: good }],
    ['a secret too few', 400, 'POST', PATH, { cbor: good, secrets: LEASE }],
    [
      'a secret too many',
      400,
      'POST',
      PATH,
      { cbor: good, secrets: { ...secrets, 'write-enabler': secret(1) } },
    ],
    [
      'a short lease secret',
      400,
      'POST',
      PATH,
      { cbor: good, secrets: { ...secrets, 'lease-renew-secret': Uint8Array.of(1) } },
    ],
    ['no CBOR', 400, 'POST', PATH, { body: Buffer.from('hello'), secrets }],
    ['a list for a set', 400, 'POST', PATH, { cbor: { ...good, 'share-numbers': [1] }, secrets }],
    ['no size', 400, 'POST', PATH, { cbor: { 'share-numbers': new Set([1]) }, secrets }],
    ['a negative size', 400, 'POST', PATH, { cbor: { ...good, 'allocated-size': -1 }, secrets }],
    [
      'a share number in a set',
      400,
      'POST',
      PATH,
      { cbor: { ...good, 'share-numbers': new Set([256]) }, secrets },
    ],
    ['a body beyond 8 KiB', 413, 'POST', PATH, { body: new Uint8Array(8193), secrets }],
    ['a very large body', 413, 'POST', PATH, { body: new Uint8Array(300_000), secrets }],
    ['a range without end', 416, 'GET', `${PATH}/0`, { headers: { Range: 'bytes=0-' } }],
    ['a range backwards', 416, 'GET', `${PATH}/0`, { headers: { Range: 'bytes=5-4' } }],
    ['two ranges', 416, 'GET', `${PATH}/0`, { headers: { Range: 'bytes=0-1,3-4' } }],
    ['a write without place', 416, 'PATCH', `${PATH}/0`, { secrets: UPLOAD, body: new Uint8Array(5) }],
    [
      'a write to no upload',
      404,
      'PATCH',
      `${PATH}/0`,
      { secrets: UPLOAD, body: new Uint8Array(5), headers: { 'Content-Range': 'bytes 0-4/*' } },
    ],
    [
      'a write of another length',
      400,
      'PATCH',
      `${PATH}/0`,
      { secrets: UPLOAD, body: new Uint8Array(5), headers: { 'Content-Range': 'bytes 0-3/*' } },
    ],
  ])('%s: %i', async (_, status, method, path, raw) => {
    expect((await ask(method, path, raw)).status).toBe(status);
    // It serves the next one all the same.
    expect(await client.list(SI)).toEqual([]);
    expect(disk.uploadsUnderWay).toBe(0);
  });

  test('bytes that are no HTTP, and half of a request, end that connection only', async () => {
    for (const bytes of ['\x00\x01\x02\r\n\r\n', 'PATCH /storage/v1/immutable HTTP/1.1\r\nContent-Le']) {
      const socket = connect({ host: nurl.host, port: nurl.port, rejectUnauthorized: false });
      socket.on('error', () => {});
      await new Promise((resolve) => {
        socket.once('secureConnect', resolve);
      });
      socket.end(bytes);
      await new Promise((resolve) => {
        socket.once('close', resolve);
        socket.resume();
      });
    }
    expect(await client.list(SI)).toEqual([]);
  });
});

test('a port in use is named', async () => {
  const taken = serveHttps({
    server: disk,
    swissnum: 's',
    identity: IDENTITY,
    host: '127.0.0.1',
    port: nurl.port,
  });
  await expect(taken).rejects.toMatchObject({ code: 'ADDRESS_IN_USE' });
});
