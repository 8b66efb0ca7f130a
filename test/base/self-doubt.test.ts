import { describe, expect, test } from 'vitest';
import { SelfDoubt } from '../../src/base/self-doubt.ts';

/** Everybody was asked at 0. */
function asking(peers: string): SelfDoubt<string> {
  const doubt = new SelfDoubt<string>();
  for (const peer of peers) doubt.asked(peer);
  return doubt;
}

describe('who is late is to blame', () => {
  test('when hardly anybody else is waited for', () => {
    expect(asking('a').isOurs('a', 0)).toBe(false);
    expect(asking('ab').isOurs('a', 0)).toBe(false);
  });

  test('when somebody else has answered since', () => {
    const doubt = asking('abc');
    doubt.answered('b', true, 5);
    expect(doubt.isOurs('a', 0)).toBe(false);
  });

  test('as long as no more others are late than have answered', () => {
    const doubt = asking('abcdef');
    doubt.answered('e', true, 5);
    doubt.answered('f', true, 5);
    expect([...'abc'].map((peer) => doubt.isOurs(peer, 0))).toEqual([false, false, false]);
    expect(doubt.isOurs('d', 0)).toBe(true);
  });
});

describe('we doubt ourselves', () => {
  test('when nobody has answered since', () => {
    const doubt = asking('abc');
    doubt.answered('b', true, 5);
    expect(doubt.isOurs('a', 10)).toBe(true);
    expect(doubt.isOurs('a', 5)).toBe(false);
  });

  test('whatever the one that is late, or who was late, has answered', () => {
    const doubt = asking('abc');
    doubt.answered('a', true, 5);
    doubt.answered('b', false, 5);
    expect(doubt.isOurs('a', 0)).toBe(true);
  });

  test('no more once the late ones have answered, or are not waited for', () => {
    const doubt = asking('abcd');
    doubt.answered('d', true, 5);
    expect([...'abc'].map((peer) => doubt.isOurs(peer, 0))).toEqual([false, false, true]);
    doubt.answered('a', false, 6);
    expect(doubt.isOurs('c', 0)).toBe(false);
    doubt.isOurs('a', 0);
    doubt.settled('b');
    expect(doubt.isOurs('c', 0)).toBe(false);
  });

  test('by the latest answers only, however many there were', () => {
    const doubt = asking('abc');
    doubt.answered('b', true, 5);
    for (let i = 0; i < 1000; i++) doubt.answered('a', true, 6);
    expect(doubt.isOurs('a', 0)).toBe(true);
  });
});
