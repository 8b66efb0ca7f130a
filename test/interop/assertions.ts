// What must hold of a file that has been to the other side.

import assert from 'node:assert/strict';
import { ENCODING } from './tahoe.ts';

export function assertSame(got: Uint8Array, expected: Uint8Array): void {
  assert.equal(got.length, expected.length, 'bytes of the file');
  assert.ok(Buffer.compare(got, expected) === 0, 'the file came back with other bytes');
}

export function assertHealthy(health: {
  readonly healthy: boolean;
  readonly 'count-shares-good': number;
}): void {
  assert.deepEqual(
    [health.healthy, health['count-shares-good']],
    [true, ENCODING.total],
    JSON.stringify(health),
  );
}
