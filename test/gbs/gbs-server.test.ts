// What the client sends, byte for byte where it matters, and what it makes of answers, also of hostile ones. What a
// real Tahoe-LAFS server answers was observed, and stands in these tests; test/interop asks a real one.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { decodeCbor, encodeCbor } from '../../src/gbs/cbor.ts';
import { makeTlsIdentity, spkiHashOf } from '../../src/gbs/certificate.ts';
import { StorageError } from '../../src/storage/storage-server.ts';
import { RpcError } from '../../src/transport/error.ts';
import { CERTIFICATE_DER, clientOf, type Scripted, type Seen, scriptedServer } from './scripted-https.ts';

const STORAGE_INDEX = Uint8Array.from({ length: 16 }, (_, i) => i);
const UPLOAD = { storageIndex: STORAGE_INDEX, shareNumber: 3, uploadSecret: new Uint8Array(32).fill(7) };
const PATH = '/storage/v1/immutable/aaaqeayeaudaocajbifqydiob4';

function cbor(value: unknown, status = 200): Scripted {
  return { status, headers: { 'Content-Type': 'application/cbor' }, body: encodeCbor(value) };
}

const NO_SHARES = cbor(new Set());

const VERSION = cbor(
  new Map<unknown, unknown>([
    [
      Buffer.from('http://allmydata.org/tahoe/protocols/storage/v1'),
      new Map<unknown, unknown>([
        [Buffer.from('maximum-immutable-share-size'), BigInt(2 ** 40)],
        [Buffer.from('available-space'), 5000],
      ]),
    ],
    [Buffer.from('application-version'), Buffer.from('tahoe-lafs/1.20.0')],
  ]),
);

function headers(seen: Seen, name: string): string[] {
  return seen.headers.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
}

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe('requests', () => {
  test('carry the swissnum, and each secret in a line of its own', async () => {
    const { nurl, seen } = await scriptedServer(({ method }) =>
      method === 'GET' ? VERSION : cbor({ 'already-have': new Set(), allocated: new Set([3]) }),
    );
    const lease = { renewSecret: new Uint8Array(32).fill(1), cancelSecret: new Uint8Array(32).fill(2) };
    const { uploadSecret, storageIndex } = UPLOAD;
    const request = {
      storageIndex,
      shareNumbers: [3, 4],
      allocatedSize: 2 ** 33,
      uploadSecret,
      lease: () => lease,
    };
    expect(await clientOf(nurl).allocate(request)).toEqual({ alreadyHave: [], allocated: [3] });
    // The lease's secrets are made for this server's certificate, which its first answer shows.
    const [first, asked] = seen;
    expect(first).toMatchObject({ method: 'GET', path: '/storage/v1/version' });
    expect(asked).toMatchObject({ method: 'POST', path: PATH });
    expect(headers(asked!, 'authorization')).toEqual(['Tahoe-LAFS c3dpc3M=']);
    expect(headers(asked!, 'x-tahoe-authorization')).toEqual([
      'lease-renew-secret AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=',
      'lease-cancel-secret AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=',
      'upload-secret BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=',
    ]);
    // The size is an integer, not a float: 1b is a 64-bit unsigned one; the set has tag 258.
    expect(Buffer.from(asked!.body).toString('hex')).toContain('1b0000000200000000');
    expect(Buffer.from(asked!.body).toString('hex')).toContain('d90102820304');
  });

  test('ask for a part of a share, and take what there is of it', async () => {
    const { nurl, seen } = await scriptedServer(() => ({
      status: 206,
      headers: { 'Content-Range': 'bytes 40-47/*' },
      body: new Uint8Array(8).fill(5),
    }));
    const bytes = await clientOf(nurl).read(STORAGE_INDEX, 3, 40, 100);
    expect(Buffer.from(bytes).toString('hex')).toBe('05'.repeat(8));
    expect(seen[0]).toMatchObject({ method: 'GET', path: `${PATH}/3` });
    expect(headers(seen[0]!, 'range')).toEqual(['bytes=40-139']);
  });

  test('go over a connection that is kept, one after the other', async () => {
    const { nurl, connections } = await scriptedServer(() => NO_SHARES);
    const client = clientOf(nurl);
    for (let i = 0; i < 5; i++) await client.list(STORAGE_INDEX);
    expect(connections()).toBe(1);
  });

  test('are sent again when a kept connection turns out to be closed', async () => {
    let answers = 0;
    const { nurl, seen } = await scriptedServer(() => (++answers === 2 ? 'drop' : NO_SHARES));
    const client = clientOf(nurl);
    await client.list(STORAGE_INDEX);
    expect(await client.list(STORAGE_INDEX)).toEqual([]);
    expect(seen).toHaveLength(3);
  });

  test('carry nothing to a server that shows another key', async () => {
    const { nurl, seen } = await scriptedServer(() => NO_SHARES);
    const other = spkiHashOf(makeTlsIdentity().certificate);
    const error = await failure(clientOf({ ...nurl, spkiHash: other }).list(STORAGE_INDEX));
    expect(error).toBeInstanceOf(RpcError);
    expect(error).toMatchObject({ code: 'UNAUTHORIZED', executed: 'no', method: 'storage/list' });
    expect((error as Error).message).toContain('it shows another key than its address names');
    expect(seen).toEqual([]);
  });

  test('close their connection when they are cancelled', async () => {
    const { nurl, closedEarly, seen } = await scriptedServer(() => 'hang');
    const controller = new AbortController();
    const reading = failure(clientOf(nurl).read(STORAGE_INDEX, 0, 0, 10, { signal: controller.signal }));
    while (seen.length === 0) await new Promise(setImmediate);
    controller.abort(new Error('never mind'));
    expect(await reading).toBe(controller.signal.reason);
    await closedEarly;
  });

  test('that are cancelled while their connection is made leave none behind', async () => {
    // It takes connections and never says a word, as the machine of a stopped process does.
    const closed: Promise<unknown>[] = [];
    const mute = createServer((socket) => {
      closed.push(once(socket.resume(), 'close'));
    });
    await new Promise<void>((resolve) => {
      mute.listen(0, '127.0.0.1', resolve);
    });
    onTestFinished(() => void mute.close());
    const { port } = mute.address() as AddressInfo;
    const client = clientOf({ spkiHash: new Uint8Array(32), host: '127.0.0.1', port, swissnum: 's' });
    const controller = new AbortController();
    const listing = Array.from({ length: 3 }, () =>
      failure(client.list(STORAGE_INDEX, { signal: controller.signal })),
    );
    while (closed.length < 3) await new Promise(setImmediate);
    controller.abort(new Error('never mind'));
    expect(await Promise.all(listing)).toEqual(listing.map(() => controller.signal.reason));
    await Promise.all(closed);
  });

  test('name a server at which nobody listens', async () => {
    const client = clientOf({ spkiHash: new Uint8Array(32), host: '127.0.0.1', port: 1, swissnum: 's' });
    const error = await failure(client.list(STORAGE_INDEX));
    expect(error).toMatchObject({ code: 'PEER_UNREACHABLE', peer: client.name, executed: 'no' });
    expect((error as Error).message).toMatch(
      /"storage\/list" at pb:\/\/AAAAAAAA…@127\.0\.0\.1:1 failed after \d+ ms/,
    );
  });
});

describe('answers', () => {
  test('tell the version in maps whose keys are bytes', async () => {
    const { nurl } = await scriptedServer(() => VERSION);
    expect(await clientOf(nurl).version()).toEqual({
      applicationVersion: 'tahoe-lafs/1.20.0',
      maximumImmutableShareSize: 2 ** 40,
      availableSpace: 5000,
    });
  });

  test('name shares that were not asked for, which is not passed on', async () => {
    const { nurl } = await scriptedServer(() =>
      cbor({ 'already-have': new Set([1, 9]), allocated: new Set([2]) }),
    );
    const { storageIndex, uploadSecret } = UPLOAD;
    const request = { storageIndex, shareNumbers: [1, 2], allocatedSize: 10, uploadSecret };
    expect(await clientOf(nurl).allocate(request)).toEqual({ alreadyHave: [1], allocated: [2] });
  });

  test('with nothing mean a full server or a busy share, which its free space tells apart', async () => {
    const { nurl } = await scriptedServer(({ method }) =>
      method === 'GET' ? VERSION : cbor({ 'already-have': new Set(), allocated: new Set() }),
    );
    const { storageIndex, uploadSecret } = UPLOAD;
    const request = { storageIndex, shareNumbers: [1], uploadSecret };
    expect(await failure(clientOf(nurl).allocate({ ...request, allocatedSize: 5000 }))).toMatchObject({
      code: 'SHARE_BUSY',
    });
    expect(await failure(clientOf(nurl).allocate({ ...request, allocatedSize: 5001 }))).toMatchObject({
      code: 'NO_SPACE',
    });
  });

  test('of a server that is being stopped say so', async () => {
    const { nurl } = await scriptedServer(() => ({ status: 503 }));
    expect(await failure(clientOf(nurl).list(UPLOAD.storageIndex))).toMatchObject({ code: 'STOPPED' });
  });

  test('to an allocation that is asked again are empty: its secret lets it write all the same', async () => {
    let asked = 0;
    const { nurl } = await scriptedServer(() =>
      ++asked === 1 ? 'drop' : cbor({ 'already-have': new Set([1]), allocated: new Set() }),
    );
    const client = clientOf(nurl);
    const { storageIndex, uploadSecret } = UPLOAD;
    const request = { storageIndex, shareNumbers: [1, 2], allocatedSize: 10, uploadSecret };
    expect(await failure(client.allocate(request))).toMatchObject({
      code: 'OUTCOME_UNKNOWN',
      executed: 'unknown',
    });
    expect(await client.allocate(request)).toEqual({ alreadyHave: [1], allocated: [2] });
    const others = { ...request, uploadSecret: new Uint8Array(32) };
    expect(await client.allocate(others)).toEqual({ alreadyHave: [1], allocated: [] });
  });

  test('end a share with its last byte', async () => {
    const { nurl, seen } = await scriptedServer(({ method, body }) =>
      method === 'PATCH' ? cbor({ required: [] }, body.length === 2 ? 201 : 200) : NO_SHARES,
    );
    const client = clientOf(nurl);
    await client.write(UPLOAD, 2, new Uint8Array(3));
    expect(await failure(client.close(UPLOAD))).toMatchObject({ code: 'INCOMPLETE' });
    await client.write(UPLOAD, 0, new Uint8Array(2));
    await client.close(UPLOAD);
    expect(seen.map(({ method }) => method)).toEqual(['PATCH', 'GET', 'PATCH']);
    expect(headers(seen[0]!, 'content-range')).toEqual(['bytes 2-4/*']);
  });

  test('to a last write that is repeated are 404, and the share is there', async () => {
    const { nurl } = await scriptedServer(({ method }) =>
      method === 'PATCH' ? { status: 404 } : cbor(new Set([3])),
    );
    const client = clientOf(nurl);
    await client.write(UPLOAD, 0, new Uint8Array(2));
    await client.close(UPLOAD);
  });

  test.each([
    [404, 'UNKNOWN_SHARE'],
    [401, 'SHARE_BUSY'],
    [409, 'BAD_REQUEST'],
    [413, 'TOO_LARGE'],
    [500, 'IO_ERROR'],
    [507, 'NO_SPACE'],
  ])('with the status %i to a write are %s', async (status, code) => {
    const { nurl } = await scriptedServer(({ method }) => (method === 'PATCH' ? { status } : NO_SHARES));
    const error = await failure(clientOf(nurl).write(UPLOAD, 0, new Uint8Array(2)));
    expect(error).toBeInstanceOf(StorageError);
    expect(error).toMatchObject({ code });
  });

  test.each([200, 401, 404, 405])('with the status %i to an abort are as good as any', async (status) => {
    const { nurl, seen } = await scriptedServer(() => ({ status }));
    await clientOf(nurl).abort(UPLOAD);
    expect(seen[0]).toMatchObject({ method: 'PUT', path: `${PATH}/3/abort` });
  });

  test('past the end of a share are empty', async () => {
    const { nurl } = await scriptedServer(() => ({ status: 204 }));
    expect(await clientOf(nurl).read(STORAGE_INDEX, 3, 1000, 10)).toHaveLength(0);
  });

  test('say how a lease, and word of a corrupt share, were taken', async () => {
    const { nurl, seen } = await scriptedServer(({ method, path }) =>
      path.endsWith('/version') ? VERSION : method === 'PUT' ? { status: 204 } : { status: 200 },
    );
    const client = clientOf(nurl);
    const secrets = { renewSecret: new Uint8Array(32), cancelSecret: new Uint8Array(32) };
    const nodeIds: string[] = [];
    await client.addLease(STORAGE_INDEX, (nodeId) => {
      nodeIds.push(Buffer.from(nodeId).toString('hex'));
      return secrets;
    });
    await client.adviseCorrupt(STORAGE_INDEX, 3, 'bad block');
    expect(nodeIds).toEqual([createHash('sha1').update(CERTIFICATE_DER).digest('hex')]);
    expect(seen.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'GET /storage/v1/version',
      'PUT /storage/v1/lease/aaaqeayeaudaocajbifqydiob4',
      `POST ${PATH}/3/corrupt`,
    ]);
    expect(decodeCbor(seen[2]!.body)).toEqual(new Map([['reason', 'bad block']]));
  });

  test('that know of no share to lease are no failure; to word of one that is not there, they are', async () => {
    const { nurl } = await scriptedServer(({ path }) =>
      path.endsWith('/version') ? VERSION : { status: 404 },
    );
    const client = clientOf(nurl);
    const secrets = { renewSecret: new Uint8Array(32), cancelSecret: new Uint8Array(32) };
    await client.addLease(STORAGE_INDEX, () => secrets);
    const error = await failure(client.adviseCorrupt(STORAGE_INDEX, 3, 'bad block'));
    expect(error).toMatchObject({ code: 'UNKNOWN_SHARE' });
  });

  test('that refuse the swissnum say so', async () => {
    const { nurl } = await scriptedServer(() => ({ status: 401 }));
    expect(await failure(clientOf(nurl).list(STORAGE_INDEX))).toMatchObject({ code: 'UNAUTHORIZED' });
  });

  const LONG = new Uint8Array(100_000);
  test.each<[string, Scripted]>([
    ['no CBOR', { status: 200, body: Buffer.from('<html>') }],
    ['nothing', { status: 200 }],
    ['a list', cbor([1, 2])],
    ['a set of texts', cbor(new Set(['1']))],
    ['a share number beyond 255', cbor(new Set([256]))],
    ['endless', { status: 200, body: LONG }],
    ['a redirection', { status: 302, headers: { Location: 'https://elsewhere/' } }],
  ])('that are %s are refused', async (_, answer) => {
    const { nurl, seen } = await scriptedServer(() => answer);
    const error = await failure(clientOf(nurl).list(STORAGE_INDEX));
    expect(error).toMatchObject({ code: 'BAD_MESSAGE', method: 'storage/list' });
    expect(seen).toHaveLength(1);
  });

  test.each<[string, Scripted]>([
    ['longer than what was asked for', { status: 206, body: new Uint8Array(11) }],
    [
      'from elsewhere',
      { status: 206, headers: { 'Content-Range': 'bytes 0-9/*' }, body: new Uint8Array(10) },
    ],
    ['the whole share', { status: 200, body: LONG }],
  ])('to a read that are %s are refused', async (_, answer) => {
    const { nurl } = await scriptedServer(() => answer);
    expect(await failure(clientOf(nurl).read(STORAGE_INDEX, 3, 5, 10))).toMatchObject({
      code: 'BAD_MESSAGE',
    });
  });
});

test('what is sent is CBOR that is read again', () => {
  const value = new Map<unknown, unknown>([
    ['a', new Set([1])],
    [2, [Uint8Array.of(1)]],
  ]);
  const read = decodeCbor(encodeCbor(value)) as Map<unknown, unknown>;
  expect(read.get('a')).toEqual(new Set([1]));
  expect(Buffer.from((read.get(2) as Uint8Array[])[0]!)).toEqual(Buffer.of(1));
});
