// The secrets of leases: derived, so that a client need keep one secret only, and no two servers see the same ones.

import { TaggedHasher, taggedPairHash } from './hashes.ts';

/** What adds and renews a lease at one server, and what would cancel it: 32 bytes each. */
export interface DerivedLeaseSecrets {
  readonly renewSecret: Uint8Array;
  readonly cancelSecret: Uint8Array;
}

/**
 * The lease secrets of one file at one server.
 * @param clientSecret what the client keeps: in Tahoe-LAFS the base32-decoded `private/secret`.
 * @param nodeId 20 bytes of the server.
 */
export function leaseSecrets(
  clientSecret: Uint8Array,
  storageIndex: Uint8Array,
  nodeId: Uint8Array,
): DerivedLeaseSecrets {
  const derive = (kind: 'renewal' | 'cancel'): Uint8Array => {
    // The secret is the tag here and the name the value: that way round (tahoe-formats: leases).
    const client = new TaggedHasher(clientSecret)
      .update(Buffer.from(`allmydata_client_${kind}_secret_v1`))
      .digest();
    const file = taggedPairHash(`allmydata_file_${kind}_secret_v1`, client, storageIndex);
    return taggedPairHash(`allmydata_bucket_${kind}_secret_v1`, file, nodeId);
  };
  return { renewSecret: derive('renewal'), cancelSecret: derive('cancel') };
}
