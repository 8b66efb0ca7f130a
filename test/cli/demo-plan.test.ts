import { describe, expect, test } from 'vitest';
import { checkDemoFile, planDemo } from '../../src/cli/demo/plan.ts';
import { CliError } from '../../src/cli/failure.ts';

describe('the plan of a demonstration', () => {
  test('asks of the put with a loss no more happiness than can still answer', () => {
    expect(planDemo(10, 3)).toEqual({
      nodes: 10,
      silent: 3,
      survivors: 5,
      needed: 3,
      total: 10,
      happy: 7,
      happyWithLoss: 5,
    });
    expect(planDemo(20, 3).happyWithLoss).toBe(7);
  });

  test('leaves enough shares on the living whichever nodes go, for every number of nodes', () => {
    for (let nodes = 5; nodes <= 100; nodes++) {
      for (let silent = 0; silent <= nodes - 5; silent++) {
        const plan = planDemo(nodes, silent);
        const goneBeforeSecondPut = silent + 1;
        expect(plan.happy).toBeLessThan(nodes);
        expect(plan.happy - goneBeforeSecondPut).toBeGreaterThanOrEqual(plan.needed);
        expect(plan.happyWithLoss).toBeGreaterThanOrEqual(plan.needed);
        expect(plan.happyWithLoss).toBeLessThanOrEqual(plan.survivors);
        expect(plan.total).toBeGreaterThanOrEqual(nodes);
      }
    }
  });

  test.each([
    [1, 0, 'give at least --nodes 5'],
    [4, 3, 'give at least --nodes 8'],
    [7, 3, 'give at least --nodes 8, or at most --silent 2'],
    [10, 6, 'give at least --nodes 11, or at most --silent 5'],
  ])('refuses %d nodes with %d silent and says what would do', (nodes, silent, next) => {
    expect(() => planDemo(nodes, silent)).toThrow(expect.objectContaining({ exitCode: 2, next }));
  });

  test('refuses a file that no node would ever see', () => {
    expect(() => checkDemoFile(55, 'tiny')).toThrow(CliError);
    expect(() => checkDemoFile(56, 'small')).not.toThrow();
  });
});
