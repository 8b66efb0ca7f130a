// The numbers of a demonstration: how many shares and how much happiness fit the nodes that will be left.
// Pure; the story itself is in ../demo.ts.

import { LITERAL_SIZE_BYTES_MAX } from '../../tahoe/capability.ts';
import { usageError } from '../failure.ts';

/** What is asked of the grid in a demonstration. */
export interface DemoPlan {
  readonly nodes: number;
  /** Stopped before the second get. One more is stopped during the third, one killed during the second put. */
  readonly silent: number;
  /** Nodes that can still answer when all that has happened. */
  readonly survivors: number;
  readonly needed: number;
  readonly total: number;
  /** Happiness asked of the put on healthy nodes. */
  readonly happy: number;
  /** Happiness asked of the put during which a node is killed: no more than can still answer. */
  readonly happyWithLoss: number;
}

/** @throws CliError when so many nodes go that the file cannot be read any more. */
export function planDemo(nodes: number, silent: number): DemoPlan {
  const survivors = nodes - silent - LOST_UNDER_WAY;
  if (survivors < NEEDED) {
    const enough = silent + LOST_UNDER_WAY + NEEDED;
    throw usageError(
      `${nodes} nodes are too few for ${silent} silent ones: one more is stopped during a get and one killed during a put, and ${NEEDED} must be left to rebuild the file`,
      nodes < LOST_UNDER_WAY + NEEDED
        ? `give at least --nodes ${enough}`
        : `give at least --nodes ${enough}, or at most --silent ${nodes - LOST_UNDER_WAY - NEEDED}`,
    );
  }
  // A share for every node, so that whichever goes silent is missed. Of the servers that the first put made happy
  // all that go before the second put may be lost, and as many as are needed must be left. One may be late: a busy
  // machine is no reason to fail.
  const happy = Math.max(NEEDED + silent + 1, Math.min(HAPPY, nodes - 1));
  return {
    nodes,
    silent,
    survivors,
    needed: NEEDED,
    total: Math.max(TOTAL, nodes),
    happy,
    happyWithLoss: Math.min(HAPPY, survivors),
  };
}

/** @throws CliError when no node would see anything of a file of that size. */
export function checkDemoFile(sizeBytes: number, label: string): void {
  if (sizeBytes > LITERAL_SIZE_BYTES_MAX) return;
  throw usageError(
    `${label} has ${sizeBytes} bytes, and a file of up to ${LITERAL_SIZE_BYTES_MAX} is kept in its capability, on no node at all`,
    'give a larger file: --file FILE',
  );
}

/** One stopped during a get, one killed during a put. */
const LOST_UNDER_WAY = 2;
/** Tahoe-LAFS's defaults. */
const NEEDED = 3;
const HAPPY = 7;
const TOTAL = 10;
