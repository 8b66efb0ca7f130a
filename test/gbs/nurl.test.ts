import { describe, expect, test } from 'vitest';
import { formatNurl, NurlError, nurlName, parseNurl } from '../../src/gbs/nurl.ts';

const KEY = 'r74OZ9NbzrHcbALIdb968ukdBh44s-9PWbUGZzhkqV8';

describe('an address of the HTTP protocol', () => {
  test.each([
    `pb://${KEY}@127.0.0.1:39401/x33t4htyzm4wmzxmuiryt2gfcf2io267#v=1`,
    `pb://${KEY}@[2001:db8::7]:1/swiss#v=1`,
    `pb://${KEY}@storage.example.org:65535/sw/iss#v=1`,
  ])('is read and written: %s', (text) => {
    expect(formatNurl(parseNurl(text))).toBe(text);
  });

  test('has a name that tells no secret', () => {
    const name = nurlName(parseNurl(`pb://${KEY}@127.0.0.1:39401/secret#v=1`));
    expect(name).toBe('pb://r74OZ9Nb…@127.0.0.1:39401');
  });

  test.each([
    ['', 'not of that form'],
    [`pb://${KEY}@127.0.0.1/secret#v=1`, 'not of that form'],
    [`pb://${KEY}@127.0.0.1:1/#v=1`, 'not of that form'],
    [`pb://${KEY}@127.0.0.1:0/secret#v=1`, 'port is 0'],
    [`pb://${KEY}@127.0.0.1:65536/secret#v=1`, 'port is 65536'],
    [`pb://${KEY}@127.0.0.1:1/secret#v=2`, 'does not end in "#v=1"'],
    [`pb://${KEY}@127.0.0.1:1/secret`, 'does not end in "#v=1"'],
    [`pb://${KEY}A@127.0.0.1:1/secret#v=1`, 'no SHA-256'],
    [`pb://${KEY.slice(0, -1)}9@127.0.0.1:1/secret#v=1`, 'no SHA-256'],
    ['pb://zd3hbdftki2dg72aqhsfwksimflggk6r@tcp:127.0.0.1:39401/secret', 'not of that form'],
  ])('is refused when it is %j: %s', (text, problem) => {
    expect(() => parseNurl(text)).toThrow(NurlError);
    expect(() => parseNurl(text)).toThrow(problem);
    expect(() => parseNurl(text)).not.toThrow('secret');
  });
});
