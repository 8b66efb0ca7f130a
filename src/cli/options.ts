// How the values of options are read, for commander: each reader says what it wants instead of what it got.

import { InvalidArgumentError } from 'commander';
import { usageError } from './failure.ts';
import type { CliEnv } from './io.ts';
import { parseBase64, parseBytes, parseCount } from './units.ts';

/** A whole number from `min` to `max`. */
export function count(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = parseCount(text, min, max);
    if (value === undefined) throw new InvalidArgumentError(`Give a whole number from ${min} to ${max}.`);
    return value;
  };
}

/** A size in bytes. */
export function size(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = parseBytes(text);
    if (value === undefined || value < min || value > max) {
      throw new InvalidArgumentError(
        `Give a number of bytes from ${min} to ${max}, such as 131072 or 128KiB.`,
      );
    }
    return value;
  };
}

/** Bytes in base64. */
export function base64(text: string): Uint8Array {
  const bytes = parseBase64(text);
  if (bytes === undefined) throw new InvalidArgumentError('Give bytes in base64, such as YWJjZA==.');
  return bytes;
}

/** The convergence secret of `--convergence`, else of NEVERMIND_CONVERGENCE: a command line is seen by everybody. */
export function convergenceSecret(flag: Uint8Array | undefined, env: CliEnv): Uint8Array | undefined {
  const text = env.NEVERMIND_CONVERGENCE;
  if (flag !== undefined || text === undefined || text === '') return flag;
  const bytes = parseBase64(text);
  if (bytes === undefined) {
    throw usageError('NEVERMIND_CONVERGENCE is not base64', 'set it to bytes in base64, or not at all');
  }
  return bytes;
}

/** @throws CliError when no file can be encoded, or no upload succeed, with these numbers. */
export function checkShareNumbers({ needed, happy, total }: ShareNumbers): void {
  if (needed > total) {
    throw usageError(
      `--needed ${needed} is more than --total ${total}`,
      'make at least as many shares as are needed to get the file back',
    );
  }
  if (happy !== undefined && happy > total) {
    throw usageError(
      `--happy ${happy} is more than --total ${total}`,
      'each happy server holds a share of its own: make as many shares, or ask for fewer servers',
    );
  }
}

interface ShareNumbers {
  readonly needed: number;
  readonly total: number;
  readonly happy?: number;
}
