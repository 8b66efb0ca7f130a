import { describe, expect, test } from 'vitest';
import { AnswerShare, KeptAnswers } from '../../src/protocol/kept-answers.ts';

describe('KeptAnswers', () => {
  // P-52
  test('beyond its limit the oldest answers are forgotten, and their owners are told', () => {
    const kept = new KeptAnswers(3000);
    const share = new AnswerShare();
    const forgotten: number[] = [];
    for (let i = 0; i < 5; i++) kept.add(share, { i }, 1000 - 256, () => forgotten.push(i));
    expect(forgotten).toEqual([0, 1]);
    expect(kept.sizeBytes).toBe(3000);
  });

  test('an answer that was delivered makes room, and its owner hears nothing', () => {
    const kept = new KeptAnswers(3000);
    const share = new AnswerShare();
    const forgotten: number[] = [];
    const owners = [0, 1, 2].map((i) => ({ i }));
    for (const owner of owners) kept.add(share, owner, 744, () => forgotten.push(owner.i));
    kept.remove(share, owners[0]!);
    kept.remove(share, owners[0]!);
    kept.add(share, {}, 744, () => {});
    expect(forgotten).toEqual([]);
  });

  test('answers without a body count, too', () => {
    const kept = new KeptAnswers(1000);
    const share = new AnswerShare();
    let forgotten = 0;
    for (let i = 0; i < 10; i++) kept.add(share, {}, 0, () => forgotten++);
    expect(forgotten).toBe(7);
  });

  test('one larger than everything allowed forgets nobody, and is not forgotten itself', () => {
    const kept = new KeptAnswers(1000);
    const share = new AnswerShare();
    const forgotten: string[] = [];
    const small = {};
    kept.add(share, small, 100, () => forgotten.push('small'));
    kept.add(share, {}, 5000, () => forgotten.push('large'));
    expect(forgotten).toEqual([]);
    expect(kept.sizeBytes).toBe(356);
  });

  // P-127
  test('who holds most makes the room, whoever wants it: one key pushes out nobody else’s answers', () => {
    const kept = new KeptAnswers(10_000);
    const forgotten: string[] = [];
    const add = (share: AnswerShare, name: string): void =>
      kept.add(share, { name }, 1000 - 256, () => forgotten.push(name));
    const hoarder = new AnswerShare();
    const modest = new AnswerShare();
    for (let i = 0; i < 3; i++) add(modest, `modest ${i}`);
    for (let i = 0; i < 100; i++) add(hoarder, `hoarder ${i}`);
    expect(forgotten).toEqual(Array.from({ length: 93 }, (_, i) => `hoarder ${i}`));
    forgotten.length = 0;
    // A further one, and the modest one's own up to an equal share.
    add(new AnswerShare(), 'third');
    add(modest, 'modest 3');
    expect(forgotten).toEqual(['hoarder 93', 'hoarder 94']);
    expect([hoarder, modest].map(({ sizeBytes }) => sizeBytes)).toEqual([5000, 4000]);
    expect(kept.sizeBytes).toBe(10_000);
  });
});
