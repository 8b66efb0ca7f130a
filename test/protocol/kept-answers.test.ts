import { describe, expect, test } from 'vitest';
import { KeptAnswers } from '../../src/protocol/kept-answers.ts';

describe('KeptAnswers', () => {
  // P-52
  test('beyond its limit the oldest answers are forgotten, and their owners are told', () => {
    const kept = new KeptAnswers(3000);
    const forgotten: number[] = [];
    for (let i = 0; i < 5; i++) kept.add({ i }, 1000 - 256, () => forgotten.push(i));
    expect(forgotten).toEqual([0, 1]);
    expect(kept.sizeBytes).toBe(3000);
  });

  test('an answer that was delivered makes room, and its owner hears nothing', () => {
    const kept = new KeptAnswers(3000);
    const forgotten: number[] = [];
    const owners = [0, 1, 2].map((i) => ({ i }));
    for (const owner of owners) kept.add(owner, 744, () => forgotten.push(owner.i));
    kept.remove(owners[0]!);
    kept.remove(owners[0]!);
    kept.add({}, 744, () => {});
    expect(forgotten).toEqual([]);
  });

  test('answers without a body count, too', () => {
    const kept = new KeptAnswers(1000);
    let forgotten = 0;
    for (let i = 0; i < 10; i++) kept.add({}, 0, () => forgotten++);
    expect(forgotten).toBe(7);
  });

  test('one larger than everything allowed forgets nobody, and is not forgotten itself', () => {
    const kept = new KeptAnswers(1000);
    const forgotten: string[] = [];
    const small = {};
    kept.add(small, 100, () => forgotten.push('small'));
    kept.add({}, 5000, () => forgotten.push('large'));
    expect(forgotten).toEqual([]);
    expect(kept.sizeBytes).toBe(356);
  });
});
