// Serves a StorageServer, whichever it is, to callers over a Transport: one method each, with bodies as in the
// CDDL below. Requests come from strangers: each field is checked before it is used. The other end is
// remote-server.ts.
//
//   secret   = bytes .size 32         si = bytes .size 16         share = 0..255         size = 0..(2^53 - 1)
//   version  : null                                                  → [tstr, size, size]
//   allocate : [si, [* share], size, secret]                         → [[* share], [* share]]
//            / [si, [* share], size, secret, secret, secret]           (have, allocated; the last two: a lease)
//   write    : [si, share, secret, size, bytes]                      → null
//   close    : [si, share, secret]                                   → null
//   abort    : [si, share, secret]                                   → null
//   list     : [si]                                                  → [* share]
//   read     : [si, share, size, size]                               → bytes
//   lease    : [si, secret, secret]                                  → null   (renew, cancel)
//   corrupt  : [si, share, tstr]                                     → null   (why; at most 32,765 bytes)

import type { Handler, Transport } from '../transport/transport.ts';
import {
  checkAllocateRequest,
  checkLease,
  checkOffset,
  checkReadLength,
  checkReason,
  checkShareNumber,
  checkStorageIndex,
  checkUploadRef,
  checkWrittenBytes,
} from './request-checks.ts';
import { StorageError, type StorageServer, type UploadRef } from './storage-server.ts';

/** Names of the methods on the wire. */
export const STORAGE_METHODS = {
  version: 'storage/version',
  allocate: 'storage/allocate',
  write: 'storage/write',
  close: 'storage/close',
  abort: 'storage/abort',
  list: 'storage/list',
  read: 'storage/read',
  addLease: 'storage/lease',
  adviseCorrupt: 'storage/corrupt',
} as const;

/** Registers the handlers of all storage methods. @throws when one of their names is taken. */
export function serveStorage(transport: Transport, server: StorageServer): void {
  const handlers: Readonly<Record<keyof typeof STORAGE_METHODS, Handler>> = {
    async version(_request, { signal }) {
      const answer = await server.version({ signal });
      return [answer.applicationVersion, answer.maximumImmutableShareSize, answer.availableSpace];
    },

    async allocate(request, { signal }) {
      const fields = fieldsOf(request, 4, 6);
      const [storageIndex, shareNumbers, allocatedSize, uploadSecret, renewSecret, cancelSecret] = fields;
      const secrets = fields.length === 4 ? undefined : checkLease({ renewSecret, cancelSecret });
      const checked = checkAllocateRequest({ storageIndex, shareNumbers, allocatedSize, uploadSecret });
      const lease = secrets && (() => secrets);
      const { alreadyHave, allocated } = await server.allocate({ ...checked, lease }, { signal });
      return [alreadyHave, allocated];
    },

    async write(request, { signal }) {
      const fields = fieldsOf(request, 5);
      const [, , , offset, bytes] = fields;
      await server.write(uploadRefOf(fields), checkOffset(offset), checkWrittenBytes(bytes), { signal });
      return null;
    },

    async close(request, { signal }) {
      await server.close(uploadRefOf(fieldsOf(request, 3)), { signal });
      return null;
    },

    async abort(request, { signal }) {
      await server.abort(uploadRefOf(fieldsOf(request, 3)), { signal });
      return null;
    },

    async list(request, { signal }) {
      const [storageIndex] = fieldsOf(request, 1);
      return server.list(checkStorageIndex(storageIndex), { signal });
    },

    async read(request, { signal }) {
      const [storageIndex, shareNumber, offset, length] = fieldsOf(request, 4);
      return server.read(
        checkStorageIndex(storageIndex),
        checkShareNumber(shareNumber),
        checkOffset(offset),
        checkReadLength(length),
        { signal },
      );
    },

    async addLease(request, { signal }) {
      const [storageIndex, renewSecret, cancelSecret] = fieldsOf(request, 3);
      const secrets = checkLease({ renewSecret, cancelSecret });
      await server.addLease(checkStorageIndex(storageIndex), () => secrets, { signal });
      return null;
    },

    async adviseCorrupt(request, { signal }) {
      const [storageIndex, shareNumber, reason] = fieldsOf(request, 3);
      await server.adviseCorrupt(
        checkStorageIndex(storageIndex),
        checkShareNumber(shareNumber),
        checkReason(reason),
        { signal },
      );
      return null;
    },
  };
  // All are safe in a datagram that somebody recorded and sent again. Reads change nothing. The others say what
  // shall be, not what to do, and name it by a random secret that is used for one upload only: replayed, an
  // allocate finds its upload or its share, a write puts the same bytes in the same place, a close finds the
  // share finished, an abort finds nothing. The worst is an allocate replayed after its upload was aborted: an
  // empty file that nobody writes, which goes when it has been idle for 30 minutes. A lease replayed lasts longer than
  // its owner asked for; advice replayed is known already.
  for (const [name, handler] of Object.entries(handlers)) {
    transport.handle(STORAGE_METHODS[name as keyof typeof handlers], handler, { early: 'safe' });
  }
}

/** @throws StorageError BAD_REQUEST unless the request is a list of as many fields as one of the counts. */
function fieldsOf(request: unknown, ...counts: readonly number[]): readonly unknown[] {
  if (Array.isArray(request) && counts.includes(request.length)) return request;
  throw new StorageError('BAD_REQUEST', `the request must be a list of ${counts.join(' or ')} fields`);
}

function uploadRefOf([storageIndex, shareNumber, uploadSecret]: readonly unknown[]): UploadRef {
  return checkUploadRef({ storageIndex, shareNumber, uploadSecret });
}
