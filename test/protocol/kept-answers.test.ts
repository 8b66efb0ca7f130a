import { describe, expect, test } from 'vitest';
import { AnswerShare, type KeptAnswer, KeptAnswers } from '../../src/protocol/kept-answers.ts';

/** An answer that writes down its name when it is forgotten. */
function answer(name: string, forgotten: string[]): KeptAnswer {
  return { keptBytes: 0, older: undefined, newer: undefined, forgetAnswer: () => forgotten.push(name) };
}

describe('KeptAnswers', () => {
  // P-52
  test('beyond its limit the oldest answers are forgotten, and their owners are told', () => {
    const kept = new KeptAnswers(3000);
    const share = new AnswerShare();
    const forgotten: string[] = [];
    for (const name of 'abcde') kept.add(share, answer(name, forgotten), 1000 - 256);
    expect(forgotten).toEqual(['a', 'b']);
    expect(kept.sizeBytes).toBe(3000);
  });

  test('an answer that was delivered makes room, and its owner hears nothing', () => {
    const kept = new KeptAnswers(3000);
    const share = new AnswerShare();
    const forgotten: string[] = [];
    const [a, b, c, d, e] = [...'abcde'].map((name) => answer(name, forgotten));
    for (const first of [a!, b!, c!]) kept.add(share, first, 744);
    kept.remove(share, b!);
    kept.remove(share, b!);
    kept.add(share, d!, 744);
    expect(forgotten).toEqual([]);
    kept.add(share, e!, 744);
    expect(forgotten).toEqual(['a']);
    for (const left of [e!, c!, d!]) kept.remove(share, left);
    expect([kept.sizeBytes, share.sizeBytes]).toEqual([0, 0]);
  });

  test('answers without a body count, too', () => {
    const kept = new KeptAnswers(1000);
    const share = new AnswerShare();
    const forgotten: string[] = [];
    for (const name of 'abcdefghij') kept.add(share, answer(name, forgotten), 0);
    expect(forgotten).toEqual([...'abcdefg']);
  });

  test('one larger than everything allowed forgets nobody, and is not forgotten itself', () => {
    const kept = new KeptAnswers(1000);
    const share = new AnswerShare();
    const forgotten: string[] = [];
    const large = answer('large', forgotten);
    kept.add(share, answer('small', forgotten), 100);
    kept.add(share, large, 5000);
    kept.remove(share, large);
    expect(forgotten).toEqual([]);
    expect(kept.sizeBytes).toBe(356);
  });

  // P-127
  test('who holds most makes the room, whoever wants it: one key pushes out nobody else’s answers', () => {
    const kept = new KeptAnswers(10_000);
    const forgotten: string[] = [];
    const add = (share: AnswerShare, name: string): void =>
      kept.add(share, answer(name, forgotten), 1000 - 256);
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
