// The one suite that every transport passes: what a caller may rely on without knowing what carries the calls.

import { describe } from 'vitest';
import { describeAbsence } from './absence.ts';
import { describeCalls } from './calls.ts';
import { describeCancel } from './cancel.ts';
import { describeStreams } from './streams.ts';
import { describeWatching } from './watching.ts';
import type { Adapter } from './world.ts';

/** All tests of the suite, for one transport. */
export function conformance(adapter: Adapter): void {
  describe(adapter.name, () => {
    describeCalls(adapter);
    describeCancel(adapter);
    describeStreams(adapter);
    describeAbsence(adapter);
    describeWatching(adapter);
  });
}
