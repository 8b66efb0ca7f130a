// The leases of the shares in a folder: added and renewed, one share at a time, so that no two writers of a lease
// meet, nor a writer and who removes what has expired (lease-expiry.ts).

import { diskError } from './disk-error.ts';
import { fileErrorCode } from './files.ts';
import type { Lease } from './share-container.ts';
import { putLease } from './share-file.ts';
import type { ShareFolder, ShareName } from './share-folder.ts';
import { StorageError } from './storage-server.ts';

/**
 * Adds the lease to a finished share, or renews it. Of a share that is not there any more, does nothing.
 * @throws StorageError NO_SPACE when the share has more leases than are kept, or what {@link diskError} makes.
 */
export async function leaseShare(folder: ShareFolder, share: ShareName, lease: Lease): Promise<void> {
  const outcome = await folder
    .exclusively(share, async () => {
      const file = await folder.openFinished(share, 'read-write');
      try {
        return await putLease(file, lease);
      } finally {
        await file.close().catch(() => {});
      }
    })
    .catch((error: unknown) => {
      if (fileErrorCode(error) === 'ENOENT') return 'done';
      throw diskError(error, `adding a lease to share ${share.id}`);
    });
  if (outcome === 'full') {
    throw new StorageError('NO_SPACE', `share ${share.id} has as many leases as a share may have`);
  }
}
