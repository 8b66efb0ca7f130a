// The rules that ours is compared with, as their authors describe them: when would each call this call late? They watch
// the calls that ours makes, and change nothing.

/** A rule with its own memory. All times in milliseconds. */
export interface Policy {
  readonly name: string;
  /** After how long a call to this peer, which starts now, is late. */
  lateAfterMs(peer: number, nowMs: number): number;
  /** A call was answered. */
  answered(peer: number, elapsedMs: number, nowMs: number): void;
}

/** Tahoe-LAFS, `immutable/downloader/share.py`: a block that takes longer than OVERDUE_TIMEOUT, 10 s. */
export function fixedTenSeconds(): Policy {
  return { name: 'fixed 10 s', lateAfterMs: () => 10_000, answered() {} };
}

/**
 * Cassandra's `speculative_retry = 99PERCENTILE`: of all reads of a table over all replicas, in a reservoir whose weights
 * halve every minute, looked at every five seconds. Before there are samples, half the read timeout of 5 s.
 */
export function percentile99(): Policy {
  let samples: { readonly elapsedMs: number; readonly atMs: number }[] = [];
  let lateMs = 2500;
  let nextLookMs = 5000;
  const look = (nowMs: number): void => {
    samples = samples.filter(({ atMs }) => nowMs - atMs < 300_000);
    const weighed = samples.map(({ elapsedMs, atMs }) => ({
      elapsedMs,
      weight: 2 ** ((atMs - nowMs) / 60_000),
    }));
    weighed.sort((a, b) => b.elapsedMs - a.elapsedMs);
    let above = 0.01 * weighed.reduce((sum, { weight }) => sum + weight, 0);
    for (const { elapsedMs, weight } of weighed) {
      above -= weight;
      if (above <= 0) {
        lateMs = elapsedMs;
        return;
      }
    }
  };
  return {
    name: 'Cassandra, p99',
    lateAfterMs: (_peer, nowMs) => {
      if (nowMs >= nextLookMs) {
        look(nowMs);
        nextLookMs = nowMs + 5000;
      }
      return lateMs;
    },
    answered: (_peer, elapsedMs, nowMs) => void samples.push({ elapsedMs, atMs: nowMs }),
  };
}

/** Sia: half as much again as the host is expected to take, a decaying mean of its own times; 10 s for a new host. */
export function oneAndAHalf(): Policy {
  const means = new Map<number, number>();
  return {
    name: 'Sia, 1.5 × expected',
    lateAfterMs: (peer) => (means.has(peer) ? 1.5 * means.get(peer)! : 10_000),
    answered: (peer, elapsedMs) => {
      const mean = means.get(peer) ?? elapsedMs;
      means.set(peer, 0.9 * mean + 0.1 * elapsedMs);
    },
  };
}
