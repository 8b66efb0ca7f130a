import { describe, expect, test } from 'vitest';
import { fileOf, GridFixture } from './grid-fixture.ts';

describe('upload and download', () => {
  const segment = 3000;
  for (const size of [0, 1, 55, 56, segment - 1, segment, segment + 1, 3 * segment, 7 * segment + 123]) {
    test(`gives back a file of ${size} bytes`, async () => {
      const grid = new GridFixture(10);
      const file = fileOf(size);
      const { capability, happiness, placements } = await grid.put(file);
      expect(capability.startsWith(size <= 55 ? 'URI:LIT:' : 'URI:CHK:')).toBe(true);
      expect(happiness).toBe(size <= 55 ? 0 : 10);
      expect(placements.length).toBe(size <= 55 ? 0 : 10);
      expect(Buffer.compare(await grid.get(capability), file)).toBe(0);
      expect(grid.openOperations).toBe(0);
      expect(grid.clock.armedTimers).toBe(0);
    });
  }
});
