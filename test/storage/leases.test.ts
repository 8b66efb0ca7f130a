// Leases: who adds one finds it on every share of the file, renewed and not doubled; a disk that fails in between
// leaves the share whole.

import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../src/sim/clock.ts';
import type { ExpiryWalk } from '../../src/storage/lease-expiry.ts';
import { decodeHeader, decodeLease, HEADER_BYTES, LEASE_BYTES } from '../../src/storage/share-container.ts';
import { shareName } from '../../src/storage/share-folder.ts';
import type { LeaseSecrets } from '../../src/storage/storage-server.ts';
import {
  allocate,
  content,
  contentOf,
  DISKS,
  type Disk,
  MEMORY_FOLDER,
  memoryDisk,
  NOW_UNIX_SECONDS,
  openServer,
  put,
  refusal,
  secret,
  storageIndex,
  tree,
  uploadRef,
} from './helpers.ts';

const DAY_SECONDS = 24 * 3600;
const DATA = content(500);
const mine = () => ({ renewSecret: secret('mine'), cancelSecret: secret('my cancel') });
const yours = () => ({ renewSecret: secret('yours'), cancelSecret: secret('your cancel') });

/** When the leases of a share end, in days from the time of its upload. */
async function leaseDays({ files, folder }: Disk, shareNumber = 0): Promise<number[]> {
  const { storageIndexText } = shareName(storageIndex(1), 0);
  const path = `${folder}/shares/${storageIndexText.slice(0, 2)}/${storageIndexText}/${shareNumber}`;
  const bytes = await contentOf(files, path);
  const container = decodeHeader(bytes, bytes.length)!;
  expect(container.dataBytes).toBe(DATA.length);
  return Array.from({ length: container.leaseCount }, (_, index) => {
    const at = HEADER_BYTES + container.dataBytes + index * LEASE_BYTES;
    const { expiresAtUnixSeconds } = decodeLease(bytes.subarray(at, at + LEASE_BYTES));
    return (expiresAtUnixSeconds - NOW_UNIX_SECONDS) / DAY_SECONDS;
  });
}

describe.each(DISKS)('leases on %s', (_name, makeDisk) => {
  it('are added to every share of a file, one for each client, and renewed, never shortened', async () => {
    const disk = await makeDisk();
    let now = NOW_UNIX_SECONDS;
    const server = await openServer(disk, { unixSeconds: () => now });
    for (const shareNumber of [0, 3]) await put(server, uploadRef(1, shareNumber), DATA);
    expect(await leaseDays(disk)).toEqual([]);

    await server.addLease(storageIndex(1), mine);
    now += DAY_SECONDS;
    await server.addLease(storageIndex(1), yours);
    await server.addLease(storageIndex(1), mine);
    now -= DAY_SECONDS;
    await server.addLease(storageIndex(1), mine);
    for (const shareNumber of [0, 3]) expect(await leaseDays(disk, shareNumber)).toEqual([32, 32]);
    expect(await server.read(storageIndex(1), 3, 0, 1000)).toEqual(DATA);
  });

  it('come with an upload, and with an allocate that finds the share there already', async () => {
    const disk = await makeDisk();
    const server = await openServer(disk);
    const upload = uploadRef(1, 0);
    await allocate(server, upload, DATA.length, mine());
    await server.write(upload, 0, DATA);
    await server.close(upload);
    expect(await leaseDays(disk)).toEqual([31]);
    await allocate(server, uploadRef(1, 0, 'other'), DATA.length, yours());
    expect(await leaseDays(disk)).toEqual([31, 31]);
  });

  it('of a file that is not here are nothing, and a read-only server adds none', async () => {
    const disk = await makeDisk();
    const server = await openServer(disk);
    await server.addLease(storageIndex(9), mine);
    await put(server, uploadRef(1, 0), DATA);
    await server.stop();
    const readOnly = await openServer(disk, { readOnly: true });
    expect(await refusal(readOnly.addLease(storageIndex(1), mine))).toBe('READ_ONLY');
    expect(await leaseDays(disk)).toEqual([]);
  });
});

describe('the expiry of leases', () => {
  it('removes what no lease keeps any more, and nothing else', async () => {
    const files = memoryDisk();
    const clock = new VirtualClock();
    const unixSeconds = () => NOW_UNIX_SECONDS + clock.now() / 1000;
    const walks: ExpiryWalk[] = [];
    const server = await openServer(
      { files },
      { clock, unixSeconds, expireLeases: (walk) => walks.push(walk) },
    );
    const putLeased = async (seed: number, lease?: LeaseSecrets) => {
      const upload = uploadRef(seed, 0);
      await allocate(server, upload, DATA.length, lease);
      await server.write(upload, 0, DATA);
      await server.close(upload);
    };
    await putLeased(1, mine());
    await putLeased(2, mine());
    await putLeased(3);
    await put(server, uploadRef(4, 0), DATA);
    await server.addLease(storageIndex(4), yours);
    await clock.run({ forMs: 20 * DAY_SECONDS * 1000 });
    await server.addLease(storageIndex(2), yours);
    await clock.run({ forMs: 10.9 * DAY_SECONDS * 1000 });
    for (const seed of [1, 2, 3, 4]) expect(await server.list(storageIndex(seed))).toEqual([0]);
    await clock.run({ forMs: DAY_SECONDS * 1000 });
    expect(await server.list(storageIndex(1))).toEqual([]);
    expect(await server.list(storageIndex(2))).toEqual([0]);
    // Nobody ever said how long it shall stay.
    expect(await server.list(storageIndex(3))).toEqual([0]);
    expect(await server.list(storageIndex(4))).toEqual([]);
    expect(walks.reduce((sum, { sharesRemoved }) => sum + sharesRemoved, 0)).toBe(2);
    expect(walks.every(({ failures }) => failures === 0)).toBe(true);
    await putLeased(1, mine());
    expect(await server.read(storageIndex(1), 0, 0, 1000)).toEqual(DATA);
    await server.stop();
    expect(clock.armedTimers).toBe(0);
  });

  it('leaves alone what it cannot read, and what is no immutable share', async () => {
    const files = memoryDisk();
    const clock = new VirtualClock();
    const walks: ExpiryWalk[] = [];
    const server = await openServer({ files }, { clock, expireLeases: (walk) => walks.push(walk) });
    await put(server, uploadRef(1, 0), DATA);
    const { storageIndexText } = shareName(storageIndex(1), 0);
    const folder = `${MEMORY_FOLDER}/shares/${storageIndexText.slice(0, 2)}/${storageIndexText}`;
    const mutable = await files.open(`${folder}/7`, 'create');
    await mutable.write(Buffer.from('Tahoe mutable container v1\n'), 0);
    await mutable.close();
    files.fault = ({ kind, path }) => (kind === 'open' && path.endsWith('/0') ? { code: 'EIO' } : undefined);
    await clock.run({ forMs: 3600_000 });
    expect(walks).toEqual([{ sharesSeen: 2, sharesRemoved: 0, failures: 1 }]);
    files.fault = undefined;
    expect(await server.list(storageIndex(1))).toEqual([0, 7]);
    await server.stop();
  });
});

describe('a disk that fails or crashes while a lease is added', () => {
  it('leaves the share and the leases that were there, wherever it happens', async () => {
    for (let at = 0; ; at++) {
      const files = memoryDisk(at);
      const server = await openServer({ files });
      await put(server, uploadRef(1, 0), DATA);
      await server.addLease(storageIndex(1), yours);
      const first = files.operations;
      let reached = false;
      files.fault = ({ index }) => {
        if (index !== first + at) return undefined;
        reached = true;
        return at % 2 === 0 ? 'crash' : { code: 'EIO' };
      };
      const outcome = await server.addLease(storageIndex(1), mine).catch((error: unknown) => error);
      files.fault = undefined;
      if (!reached) {
        expect(outcome).toBeUndefined();
        break;
      }
      files.restart();
      const again = await openServer({ files });
      expect(await again.read(storageIndex(1), 0, 0, 1000)).toEqual(DATA);
      const days = await leaseDays({ files, folder: MEMORY_FOLDER });
      expect(days.length).toBeGreaterThanOrEqual(1);
      expect(days).toEqual(days.map(() => 31));
      await again.addLease(storageIndex(1), mine);
      expect(await leaseDays({ files, folder: MEMORY_FOLDER })).toEqual([31, 31]);
    }
  });
});

describe('advice of corruption', () => {
  it('is written down once for each share that is here, in one line without control characters', async () => {
    const files = memoryDisk();
    const server = await openServer({ files });
    await put(server, uploadRef(1, 4), DATA);
    await server.adviseCorrupt(storageIndex(1), 4, 'block 0\u001b[2J\nis wrong');
    await server.adviseCorrupt(storageIndex(1), 4, 'block 1');
    expect(await refusal(server.adviseCorrupt(storageIndex(1), 5, 'x'))).toBe('UNKNOWN_SHARE');
    expect(await refusal(server.adviseCorrupt(storageIndex(1), 4, 'x'.repeat(40_000)))).toBe('BAD_REQUEST');
    const { storageIndexText } = shareName(storageIndex(1), 4);
    const path = `corruption-advisories/${NOW_UNIX_SECONDS}--${storageIndexText}-4`;
    expect((await tree(files, MEMORY_FOLDER)).filter((name) => name.startsWith('corr'))).toEqual([path]);
    const text = Buffer.from(await contentOf(files, `${MEMORY_FOLDER}/${path}`)).toString();
    expect(text.split('\n').slice(0, 6)).toEqual([
      'report: Share Corruption',
      'type: immutable',
      `storage_index: ${storageIndexText}`,
      'share_number: 4',
      '',
      'block 0 [2J is wrong',
    ]);
    // Also after a restart.
    await (await openServer({ files })).adviseCorrupt(storageIndex(1), 4, 'block 2');
    expect((await tree(files, MEMORY_FOLDER)).filter((name) => name.startsWith('corr'))).toEqual([path]);
  });
});
