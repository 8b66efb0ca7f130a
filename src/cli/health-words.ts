// What is known of a file's health, in words, as fields of a summary, and as an exit code: for check, verify, repair.

import type { FileHealth } from '../grid/file-health.ts';
import type { VerifiedHealth } from '../grid/verify.ts';
import { EXIT } from './exit-codes.ts';

/** A health, read or merely asked for. */
export type AnyHealth = FileHealth & Partial<Pick<VerifiedHealth, 'corrupt' | 'unread'>>;

/** One line of verdict, and below it a line for each thing that is not as it should be. Ends in a line end. */
export function healthText(health: AnyHealth): string {
  const {
    storageIndex,
    sharesFound,
    needed,
    total,
    happiness,
    unanswered,
    corrupt = [],
    unread = [],
  } = health;
  if (storageIndex === undefined) return 'healthy: the file is in its capability, on no server\n';
  const servers = new Set(health.shares.map(({ serverName }) => serverName)).size;
  const found = `${sharesFound} of ${total} shares (${needed} needed) on ${plural(servers, 'server')}`;
  const lines = [`${verdictOf(health)}: ${found}, happiness ${happiness}`];
  const missing = missingShares(health);
  if (missing.length > 0) lines.push(`  missing: ${missing.join(', ')}`);
  for (const { shareNumber, serverName, what } of corrupt) {
    lines.push(`  corrupt: share ${shareNumber} at ${serverName}: ${what}`);
  }
  for (const { shareNumber, serverName, reason } of unread) {
    lines.push(`  not read: share ${shareNumber} at ${serverName}: it ${reason}`);
  }
  for (const name of unanswered) {
    lines.push(
      `  no answer: ${name} ${health.servers.find((server) => server.name === name)?.outcome ?? ''}`,
    );
  }
  return `${lines.join('\n')}\n`;
}

/** For the summary of `--json`. */
export function healthFields(health: AnyHealth): Readonly<Record<string, unknown>> {
  const { servers: _, corrupt = [], unread = [], ...fields } = health;
  return {
    ...fields,
    storageIndex: health.storageIndex ?? null,
    missing: missingShares(health),
    corrupt,
    unread,
    leases: health.leases.map(({ serverName, failure }) => ({ serverName, failure: failure ?? null })),
  };
}

/** 0 for a healthy file; what `get` would say of one that is lost; `partial` for what is in between. */
export function healthExitCode(health: AnyHealth): number {
  const { healthy, recoverable, sharesFound, unanswered, corrupt = [], unread = [] } = health;
  if (healthy) return EXIT.ok;
  if (recoverable) return EXIT.partial;
  if (sharesFound + corrupt.length + unread.length + unanswered.length === 0) return EXIT.notFound;
  const damaged = new Set(corrupt.map(({ shareNumber }) => shareNumber)).size;
  return sharesFound + damaged >= health.needed ? EXIT.corrupt : EXIT.notEnoughShares;
}

/** Leases that were asked for and not given, for standard error. */
export function leaseWarnings({ leases }: AnyHealth): string[] {
  return leases.flatMap(({ serverName, failure }) =>
    failure === undefined ? [] : [`no lease at ${serverName}: it ${failure}`],
  );
}

function verdictOf({ healthy, recoverable }: AnyHealth): string {
  if (healthy) return 'healthy';
  return recoverable ? 'not healthy, can be read and repaired' : 'cannot be read';
}

function missingShares({ total, shares }: AnyHealth): number[] {
  const found = new Set(shares.map(({ shareNumber }) => shareNumber));
  return Array.from({ length: total }, (_, share) => share).filter((share) => !found.has(share));
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
