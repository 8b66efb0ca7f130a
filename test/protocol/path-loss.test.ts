// How much loss counts as more than the path's own.

import { expect, test } from 'vitest';
import { PathLoss } from '../../src/protocol/path-loss.ts';

/** One that has learnt from so many packets, sent slowly. */
function learnt(acked: number, lost: number): PathLoss {
  const path = new PathLoss();
  path.setSlow(0, true);
  path.onAcked(acked, 1, true);
  path.onLost(lost, 1);
  return path;
}

test('of a path that nothing is known of, no loss is too much', () => {
  expect(new PathLoss().isExceeded(100, 200, 0)).toBe(false);
});

test('of a path that has lost nothing so far, a burst of losses is too much, a few are not', () => {
  const path = learnt(1000, 0);
  expect(path.isExceeded(3, 200, 0.02)).toBe(false);
  expect(path.isExceeded(20, 200, 0.02)).toBe(true);
});

test('the less was learnt, the more is left to chance', () => {
  expect(learnt(980, 20).isExceeded(20, 200, 0.02)).toBe(true);
  expect(learnt(49, 1).isExceeded(20, 200, 0.02)).toBe(false);
});

test('what was sent fast, or came back late, teaches nothing', () => {
  const path = new PathLoss();
  path.onAcked(100, 1, true);
  path.onLost(100, 1);
  path.setSlow(2, true);
  path.onAcked(100, 3, false);
  path.onLost(100, 3);
  expect(path.rate).toBe(0);
});

test('rounds of startup teach once the path has brought twice as much', () => {
  const path = new PathLoss();
  path.onStartupRound({ bytesPerMs: 10, sent: 1000, lost: 100 });
  path.onStartupRound({ bytesPerMs: 19, sent: 1000, lost: 500 });
  expect(path.rate).toBe(0);
  path.onStartupRound({ bytesPerMs: 20, sent: 1000, lost: 500 });
  expect(path.rate).toBeCloseTo(0.1);
  expect(path.isExceeded(200, 1000, 0.02)).toBe(true);
  expect(path.isExceeded(120, 1000, 0.02)).toBe(false);
});

test('rounds of startup that come to nothing are forgotten', () => {
  const path = new PathLoss();
  for (let round = 0; round < 100; round++) path.onStartupRound({ bytesPerMs: 1, sent: 10, lost: 5 });
  path.onStartupRound({ bytesPerMs: 10, sent: 10, lost: 0 });
  expect(path.rate).toBe(0.3);
  expect(path.isExceeded(150, 160, 0.02)).toBe(true);
  path.endStartup();
  path.onStartupRound({ bytesPerMs: 100, sent: 1000, lost: 0 });
  expect(path.rate).toBe(0.3);
});

test.each([
  { sent: 100, lost: 8 },
  { sent: 1000, lost: 44 },
  { sent: 2000, lost: 20 },
])('rounds that lose nothing refute $lost of $sent', ({ sent, lost }) => {
  const path = learnt(sent - lost, lost);
  path.onRound(900, 0);
  expect(path.rate).toBeCloseTo(lost / sent);
  for (let round = 0; round < 300; round++) path.onRound(100, 0);
  expect(path.rate).toBeLessThan(lost / sent / 4);
});

test('rounds that lose as much as is known, evenly or in bursts, or more, refute nothing', () => {
  const path = learnt(1900, 100);
  for (let round = 0; round < 100; round++) path.onRound(100, 4);
  for (let round = 0; round < 100; round++) path.onRound(100, round % 4 === 0 ? 20 : 0);
  for (let round = 0; round < 100; round++) path.onRound(100, 30);
  expect(path.rate).toBeCloseTo(0.05);
});

test('what refutes half of what is known does not blot it out', () => {
  const path = learnt(1900, 100);
  for (let round = 0; round < 10; round++) path.onRound(100, 0);
  expect(path.rate).toBeCloseTo(0.025);
});
