// Is a file whole? Asks every server which of its shares it has, and believes it; verify.ts reads them.

import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { RetryBudget } from '../base/retry-budget.ts';
import type { StorageServer } from '../storage/storage-server.ts';
import { leaseSecrets } from '../tahoe/lease-secrets.ts';
import { permuteServers } from '../tahoe/permutation.ts';
import { outcomeOf } from './error.ts';
import { type FileHealth, healthOf, LITERAL_HEALTH, parseForChecking } from './file-health.ts';
import type { Holding } from './happiness.ts';
import { Notice } from './notice.ts';
import { Survey } from './survey.ts';

/** How to look after a file. */
export interface CheckOptions {
  readonly clock: Clock;
  /** For jitter, and the secrets of a repair's uploads. */
  readonly random: Random;
  /** Pays for every server asked in place of a late one: the `retries` of the transport. Default: they are free. */
  readonly retries?: RetryBudget | undefined;
  /** Cancels: it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** The secret that the client's leases are derived from: with it every share found gets a lease. */
  readonly leaseSecret?: Uint8Array | undefined;
  readonly onProgress?: ((progress: CheckProgress) => void) | undefined;
}

/** How far a check is: servers that answered while it is locating, bytes while it is verifying or repairing. */
export interface CheckProgress {
  readonly stage: 'locating' | 'verifying' | 'placing' | 'pushing' | 'closing';
  readonly done: number;
  readonly total: number;
}

/**
 * Which shares of a file are where. A server that does not answer costs no more than the others' answers tell.
 * @param capability of any kind for an immutable file.
 * @param servers in any order.
 * @throws GridError BAD_CAPABILITY; `signal.reason`.
 */
export async function check(
  capability: string,
  servers: readonly StorageServer[],
  options: CheckOptions,
): Promise<FileHealth> {
  const file = parseForChecking(capability);
  if (file === undefined) return LITERAL_HEALTH;
  const { storageIndex, total } = file;
  const { signal, clock, random, leaseSecret, onProgress } = options;
  signal?.throwIfAborted();
  const changed = new Notice();
  const holdings: Holding<StorageServer>[] = [];
  const leases = new LeaseRound(storageIndex, leaseSecret, () => changed.give());
  const inOrder = permuteServers(storageIndex, servers);
  const report = () => onProgress?.({ stage: 'locating', done: survey.answeredCount, total: servers.length });
  const survey = new Survey({
    servers: inOrder,
    storageIndex,
    total,
    clock,
    random,
    onAnswer: (server, shares) => {
      for (const shareNumber of shares) holdings.push({ shareNumber, server });
      if (shares.length > 0) leases.begin(server);
    },
    onChange: () => {
      report();
      changed.give();
    },
  });
  const onAbort = () => changed.give();
  signal?.addEventListener('abort', onAbort);
  try {
    report();
    survey.start();
    while (!survey.isSettled || leases.isUnderWay) {
      await changed.next();
      signal?.throwIfAborted();
    }
    return healthOf(file, holdings, {
      unanswered: survey.unanswered.map(({ name }) => name),
      servers: survey.outcomes,
      leases: leases.outcomes,
    });
  } finally {
    signal?.removeEventListener('abort', onAbort);
    survey.close();
    leases.close();
  }
}

/** Asks servers that have shares to keep them. A server that does not answer in its deadline has failed. */
export class LeaseRound {
  readonly #storageIndex: Uint8Array;
  readonly #secret: Uint8Array | undefined;
  readonly #onChange: () => void;
  readonly #controller = new AbortController();
  readonly #servers: { readonly serverName: string; failure: string | undefined }[] = [];
  #open = 0;

  constructor(storageIndex: Uint8Array, secret: Uint8Array | undefined, onChange: () => void) {
    this.#storageIndex = storageIndex;
    this.#secret = secret;
    this.#onChange = onChange;
  }

  get isUnderWay(): boolean {
    return this.#open > 0;
  }

  get outcomes(): FileHealth['leases'] {
    return this.#servers;
  }

  /** Does nothing without a secret. */
  begin(server: StorageServer): void {
    const secret = this.#secret;
    if (secret === undefined) return;
    const lease = (nodeId: Uint8Array) => leaseSecrets(secret, this.#storageIndex, nodeId);
    const entry: { readonly serverName: string; failure: string | undefined } = {
      serverName: server.name,
      failure: undefined,
    };
    this.#servers.push(entry);
    this.#open++;
    server
      .addLease(this.#storageIndex, lease, { signal: this.#controller.signal })
      .catch((error: unknown) => {
        entry.failure = outcomeOf(error);
      })
      .finally(() => {
        this.#open--;
        this.#onChange();
      });
  }

  close(): void {
    this.#controller.abort(new Error('the check is over'));
  }
}
