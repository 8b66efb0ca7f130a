import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  formatAddress,
  type HostAndPort,
  parseAddress,
  printableAddress,
  type SealedAddress,
} from '../../src/transport/address.ts';

const KEY = new Uint8Array(32).fill(7);
const KEY_TEXT = 'BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc';

describe('an address', () => {
  test('has a key, one host or several, and a swissnum', () => {
    expect(parseAddress(`nm://${KEY_TEXT}@10.0.0.1:4820,[::1]:4821,storage.example:80/abc-DEF_9`)).toEqual({
      key: KEY,
      hosts: [
        { host: '10.0.0.1', port: 4820 },
        { host: '::1', port: 4821 },
        { host: 'storage.example', port: 80 },
      ],
      swissnum: 'abc-DEF_9',
    });
  });

  test('comes back from its text', () => {
    const host = fc.record({
      host: fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain()),
      port: fc.integer({ min: 1, max: 65_535 }),
    });
    const address = fc.record({
      key: fc.uint8Array({ minLength: 32, maxLength: 32 }),
      hosts: fc.array(host, { minLength: 1, maxLength: 8 }) as fc.Arbitrary<[HostAndPort, ...HostAndPort[]]>,
      swissnum: fc.stringMatching(/^[A-Za-z0-9_-]{1,128}$/),
    });
    fc.assert(
      fc.property(address, (parts: SealedAddress) => {
        expect(parseAddress(formatAddress(parts))).toEqual(parts);
        expect(parseAddress(`${formatAddress(parts)}/`)).toEqual(parts);
      }),
    );
  });

  test.each([
    ['http://x', 'does not begin with nm://'],
    ['nm://127.0.0.1:4820', 'the key is missing'],
    [`nm://${KEY_TEXT}@127.0.0.1:4820`, 'swissnum is missing'],
    [`nm://${KEY_TEXT}@127.0.0.1:4820/`, 'swissnum'],
    [`nm://${KEY_TEXT.slice(1)}@127.0.0.1:4820/s`, 'the key has 42 characters'],
    [`nm://${KEY_TEXT.slice(1)}+@127.0.0.1:4820/s`, 'others than base64url'],
    [`nm://${KEY_TEXT}@127.0.0.1/s`, 'host 1 behind the @ is no HOST:PORT'],
    [`nm://${KEY_TEXT}@127.0.0.1:0/s`, 'port from 1 to 65535'],
    [`nm://${KEY_TEXT}@127.0.0.1:65536/s`, 'port from 1 to 65535'],
    [`nm://${KEY_TEXT}@127.0.0.1:1,/s`, 'host 2 behind the @ is no HOST:PORT'],
    [`nm://${KEY_TEXT}@${'a:1,'.repeat(8)}a:1/s`, 'names 9 hosts'],
    [`nm://${KEY_TEXT}@127.0.0.1:1/s p`, 'the swissnum is not'],
    [`nm://${KEY_TEXT}@127.0.0.1:1/s/t`, 'missing'],
  ])('%j is none: %s', (text, why) => {
    expect(() => parseAddress(text)).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
    expect(() => parseAddress(text)).toThrow(why);
  });

  test('whose parts stand in the wrong places shows none of them in its error', () => {
    for (const text of [
      `nm://${KEY_TEXT}@open-sesame/10.0.0.1:4820`,
      `nm://${KEY_TEXT}@open-sesame:/10.0.0.1:4820`,
      `nm://${KEY_TEXT}@10.0.0.1:4820,open-sesame`,
      `nm://${KEY_TEXT}@${KEY_TEXT}@10.0.0.1:4820/open-sesame`,
      `nm://${KEY_TEXT}:4820/open-sesame`,
      `nm://10.0.0.1:4820@${KEY_TEXT}:4820/open-sesame`,
    ]) {
      const error = (() => {
        try {
          parseAddress(text);
        } catch (thrown) {
          return inspect(thrown, { depth: 5 });
        }
        return expect.fail(text);
      })();
      expect(error).not.toContain('open-sesame');
      expect(error).not.toContain(KEY_TEXT);
    }
  });

  test('is printed without key and swissnum, also when it is malformed', () => {
    expect(printableAddress(`nm://${KEY_TEXT}@10.0.0.1:4820,[::1]:4821/swiss`)).toBe(
      'nm://10.0.0.1:4820,[::1]:4821',
    );
    expect(printableAddress('nm://10.0.0.1:4820')).toBe('nm://10.0.0.1:4820');
    for (const text of [KEY_TEXT, `nm://${KEY_TEXT}`, `nm://${KEY_TEXT}/x`, `${KEY_TEXT}@x:1/swiss`, '']) {
      expect(printableAddress(text)).toBe('nm://…');
      expect(() => parseAddress(text)).not.toThrow(KEY_TEXT);
      expect(() => parseAddress(text)).not.toThrow('swiss"');
    }
  });
});
