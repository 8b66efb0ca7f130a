// Requests of Tahoe-LAFS's HTTP protocol, as Node's parser hands them to our server: method and path, header lines, body.
// An input is such a request as text. What must hold: there is an answer, whatever comes; who does not show the secret
// of the address gets 401, and nothing behind the facade is asked; and no mistake of ours hides behind a status.

import { base32Encode } from '../../../src/base/base32.ts';
import { encodeCbor } from '../../../src/gbs/cbor.ts';
import { Facade } from '../../../src/gbs/facade.ts';
import {
  checkAllocateRequest,
  checkOffset,
  checkReadLength,
  checkReason,
  checkUploadRef,
  checkWrittenBytes,
} from '../../../src/storage/request-checks.ts';
import { StorageError, type StorageServer } from '../../../src/storage/storage-server.ts';
import { assert, type FuzzTarget, text } from '../target.ts';

const SWISSNUM = 'open-sesame';
const AUTHORIZATION = `Tahoe-LAFS ${Buffer.from(SWISSNUM).toString('base64')}`;
const STORAGE_INDEX = base32Encode(new Uint8Array(16).fill(5));
const SECRET = Buffer.alloc(32, 1).toString('base64');
const SHARE = new Uint8Array(100).fill(3);
/** The share that is there. */
const SHARE_NUMBER = 3;

/** How often what is behind the facade was asked. */
let asked = 0;

/** Has one share, takes every other, and checks what it is given as all servers do. */
const server: StorageServer = {
  name: 'behind the facade',
  permutationSeed: new Uint8Array(32),
  async version() {
    asked++;
    return { applicationVersion: 'x', maximumImmutableShareSize: 2 ** 40, availableSpace: 2 ** 50 };
  },
  async allocate(request) {
    asked++;
    const { shareNumbers } = checkAllocateRequest(request);
    return {
      alreadyHave: shareNumbers.filter((number) => number === SHARE_NUMBER),
      allocated: shareNumbers.filter((number) => number !== SHARE_NUMBER),
    };
  },
  async write(upload, offset, bytes) {
    asked++;
    checkUploadRef(upload);
    checkOffset(offset);
    assert(checkWrittenBytes(bytes).length > 0, 'no piece of an upload is empty');
  },
  async close(upload) {
    asked++;
    checkUploadRef(upload);
  },
  async abort(upload) {
    asked++;
    checkUploadRef(upload);
  },
  async list() {
    asked++;
    return [SHARE_NUMBER];
  },
  async read(_storageIndex, shareNumber, offset, length) {
    asked++;
    if (shareNumber !== SHARE_NUMBER) throw new StorageError('UNKNOWN_SHARE', 'no such share');
    const from = checkOffset(offset);
    return SHARE.slice(from, from + checkReadLength(length));
  },
  async addLease(_storageIndex, lease) {
    asked++;
    const { renewSecret, cancelSecret } = lease(new Uint8Array(20));
    assert(renewSecret.length === 32 && cancelSecret.length === 32, 'secrets of leases have 32 bytes');
  },
  async adviseCorrupt(_storageIndex, _shareNumber, reason) {
    asked++;
    checkReason(reason);
  },
};
const facade = new Facade({ server, swissnum: SWISSNUM });

export const target: FuzzTarget = {
  maxBytes: 1024,
  covers: ['gbs/facade.ts', 'gbs/facade-request.ts', 'gbs/cbor.ts'],
  seeds: [
    request('GET', 'version'),
    request('PUT', `lease/${STORAGE_INDEX}`, secrets('lease-renew-secret', 'lease-cancel-secret')),
    request(
      'POST',
      `immutable/${STORAGE_INDEX}`,
      secrets('lease-renew-secret', 'lease-cancel-secret', 'upload-secret'),
      encodeCbor({ 'share-numbers': new Set([2, 3]), 'allocated-size': 6 }),
    ),
    request('GET', `immutable/${STORAGE_INDEX}/shares`),
    request(
      'PATCH',
      `immutable/${STORAGE_INDEX}/2`,
      ['Content-Range: bytes 0-5/6', ...secrets('upload-secret')],
      text('abcdef'),
    ),
    request('PUT', `immutable/${STORAGE_INDEX}/2/abort`, secrets('upload-secret')),
    request('GET', `immutable/${STORAGE_INDEX}/3`),
    request('GET', `immutable/${STORAGE_INDEX}/3`, ['Range: bytes=10-19']),
    request('POST', `immutable/${STORAGE_INDEX}/3/corrupt`, [], encodeCbor({ reason: 'rotten' })),
    request('POST', `mutable/${STORAGE_INDEX}/read-test-write`),
  ],
  dictionary: [
    'Range: bytes=',
    'Content-Range: bytes ',
    '/shares',
    '/abort',
    '/corrupt',
    '9007199254740993',
    '\r\n',
    `X-Tahoe-Authorization: upload-secret ${SECRET}\r\n`,
  ].map(text),
  async run(input) {
    const { method, path, rawHeaders, body } = parse(input);
    const isLetIn = rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === 'authorization');
    const shows = rawHeaders.some(
      (name, i) =>
        i % 2 === 0 && name.toLowerCase() === 'authorization' && rawHeaders[i + 1] === AUTHORIZATION,
    );
    asked = 0;
    const answer = await facade.answer({
      method,
      path,
      rawHeaders,
      body: (async function* () {
        yield body;
      })(),
      signal: new AbortController().signal,
    });
    const { status } = answer;
    if (isLetIn.length !== 1 || !shows) {
      assert(status === 401 && asked === 0, 'nothing is done for who does not show the secret');
    }
    assert(status >= 200 && status < 600 && status !== 502, 'what goes wrong is said by its own status');
    if (answer.body === undefined || answer.body instanceof Uint8Array) return;
    for await (const piece of answer.body) assert(piece.length > 0, 'no piece of a share is empty');
  },
};

function request(
  method: string,
  path: string,
  headers: readonly string[] = [],
  body: Uint8Array = new Uint8Array(0),
): Uint8Array {
  const lines = [`${method} /storage/v1/${path}`, `Authorization: ${AUTHORIZATION}`, ...headers];
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), body]);
}

function secrets(...kinds: readonly string[]): string[] {
  return kinds.map((kind) => `X-Tahoe-Authorization: ${kind} ${SECRET}`);
}

/** As far as Node's parser does it: lines with a colon are headers, the rest of them is left out. */
function parse(input: Uint8Array): { method: string; path: string; rawHeaders: string[]; body: Uint8Array } {
  const bytes = Buffer.from(input);
  const end = bytes.indexOf('\r\n\r\n');
  const head = bytes.toString('latin1', 0, end < 0 ? bytes.length : end);
  const [first = '', ...lines] = head.split('\r\n');
  const [method = '', path = ''] = first.split(' ');
  const rawHeaders = lines.flatMap((line) => {
    const colon = line.indexOf(':');
    return colon > 0 ? [line.slice(0, colon), line.slice(colon + 1).trim()] : [];
  });
  return { method, path, rawHeaders, body: end < 0 ? new Uint8Array(0) : bytes.subarray(end + 4) };
}
