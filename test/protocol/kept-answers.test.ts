import { describe, expect, test } from 'vitest';
import { AnswerShare, type KeptAnswer, KeptAnswers } from '../../src/protocol/kept-answers.ts';

/** An answer that writes down its name when it is forgotten. */
function answer(name: string, forgotten: string[]): KeptAnswer {
  return { keptBytes: 0, older: undefined, newer: undefined, forgetAnswer: () => forgotten.push(name) };
}

const PRESENT = { isPresent: () => true };
const ABSENT = { isPresent: () => false };

describe('KeptAnswers', () => {
  // P-52
  test('beyond its limit the oldest answers are forgotten, and their owners are told', () => {
    const kept = new KeptAnswers(3000);
    const share = new AnswerShare(PRESENT);
    const forgotten: string[] = [];
    for (const name of 'abcde') kept.add(share, answer(name, forgotten), 1000 - 256, 0);
    expect(forgotten).toEqual(['a', 'b']);
    expect(kept.sizeBytes).toBe(3000);
  });

  test('an answer that was delivered makes room, and its owner hears nothing', () => {
    const kept = new KeptAnswers(3000);
    const share = new AnswerShare(PRESENT);
    const forgotten: string[] = [];
    const [a, b, c, d, e] = [...'abcde'].map((name) => answer(name, forgotten));
    for (const first of [a!, b!, c!]) kept.add(share, first, 744, 0);
    kept.remove(share, b!);
    kept.remove(share, b!);
    kept.add(share, d!, 744, 0);
    expect(forgotten).toEqual([]);
    kept.add(share, e!, 744, 0);
    expect(forgotten).toEqual(['a']);
    for (const left of [e!, c!, d!]) kept.remove(share, left);
    expect([kept.sizeBytes, share.sizeBytes]).toEqual([0, 0]);
  });

  test('answers without a body count, too', () => {
    const kept = new KeptAnswers(1000);
    const share = new AnswerShare(PRESENT);
    const forgotten: string[] = [];
    for (const name of 'abcdefghij') kept.add(share, answer(name, forgotten), 0, 0);
    expect(forgotten).toEqual([...'abcdefg']);
  });

  test('one larger than everything allowed forgets nobody, and is not forgotten itself', () => {
    const kept = new KeptAnswers(1000);
    const share = new AnswerShare(PRESENT);
    const forgotten: string[] = [];
    const large = answer('large', forgotten);
    kept.add(share, answer('small', forgotten), 100, 0);
    kept.add(share, large, 5000, 0);
    kept.remove(share, large);
    expect(forgotten).toEqual([]);
    expect(kept.sizeBytes).toBe(356);
  });

  // P-127
  test('who holds most makes the room, whoever wants it: one key pushes out nobody else’s answers', () => {
    const kept = new KeptAnswers(10_000);
    const forgotten: string[] = [];
    const add = (share: AnswerShare, name: string): void =>
      kept.add(share, answer(name, forgotten), 1000 - 256, 0);
    const hoarder = new AnswerShare(PRESENT);
    const modest = new AnswerShare(PRESENT);
    for (let i = 0; i < 3; i++) add(modest, `modest ${i}`);
    for (let i = 0; i < 100; i++) add(hoarder, `hoarder ${i}`);
    expect(forgotten).toEqual(Array.from({ length: 93 }, (_, i) => `hoarder ${i}`));
    forgotten.length = 0;
    // A further one, and the modest one's own up to an equal share.
    add(new AnswerShare(PRESENT), 'third');
    add(modest, 'modest 3');
    expect(forgotten).toEqual(['hoarder 93', 'hoarder 94']);
    expect([hoarder, modest].map(({ sizeBytes }) => sizeBytes)).toEqual([5000, 4000]);
    expect(kept.sizeBytes).toBe(10_000);
  });

  test('who is not there makes the room, however little it holds', () => {
    const kept = new KeptAnswers(10_000);
    const forgotten: string[] = [];
    const add = (share: AnswerShare, name: string, sizeBytes: number): void =>
      kept.add(share, answer(name, forgotten), sizeBytes - 256, 0);
    for (let i = 0; i < 10; i++) add(new AnswerShare(ABSENT), `stranger ${i}`, 1000);
    const honest = new AnswerShare(PRESENT);
    add(honest, 'honest', 5000);
    expect(forgotten).toEqual(Array(5).fill(expect.stringContaining('stranger')));
    expect(honest.sizeBytes).toBe(5000);
    add(new AnswerShare(ABSENT), 'too large', 6000);
    expect(forgotten.at(-1)).toBe('too large');
    expect(honest.sizeBytes).toBe(5000);
  });
});
