import { describe, expect, test } from 'vitest';
import { describeShares, GridError, outcomeOf, seconds } from '../../src/grid/error.ts';
import { StorageError } from '../../src/storage/storage-server.ts';
import { RpcError } from '../../src/transport/error.ts';

describe('GridError', () => {
  test('says what happened, where, after how long, and what to do', () => {
    const error = new GridError('TOO_FEW_SERVERS', {
      problem: 'only 2 of the 7 servers would take shares',
      advice: 'Start more storage servers.',
      stage: 'placing',
      elapsedMs: 1234,
      servers: [
        { name: 'nm://a', outcome: 'is silent' },
        { name: 'nm://b', outcome: 'has no space left' },
      ],
    });
    expect(error.message).toBe(
      'only 2 of the 7 servers would take shares (placing, after 1.2 s). ' +
        'Servers: nm://a is silent; nm://b has no space left. Start more storage servers.',
    );
    expect(`${error.report} ${error.advice}`).toBe(error.message);
    expect(error.advice).toBe('Start more storage servers.');
    expect(error.code).toBe('TOO_FEW_SERVERS');
    expect(error.name).toBe('GridError');
  });

  test('stays readable on a large grid, and keeps every server', () => {
    const servers = Array.from({ length: 100 }, (_, i) => ({ name: `s${i}`, outcome: 'has no share' }));
    const error = new GridError('NOT_FOUND', {
      problem: 'p',
      advice: 'a',
      stage: 'locating',
      elapsedMs: 0,
      servers,
    });
    expect(error.message.length).toBeLessThan(500);
    expect(error.message).toContain('and 88 more');
    expect(error.servers.length).toBe(100);
  });
});

describe('the outcome of a server', () => {
  test('is the same in words, whether it failed here or at the other end', () => {
    const detail = { code: 'NO_SPACE', message: 'disk full' };
    expect(outcomeOf(new StorageError('NO_SPACE', 'disk full'))).toBe('has no space left');
    expect(outcomeOf(new RpcError('HANDLER_FAILED', 'x', { detail }))).toBe('has no space left');
    expect(outcomeOf(new RpcError('PEER_SILENT', 'x'))).toBe('is silent');
    expect(outcomeOf(new StorageError('INCOMPLETE', 'bytes are missing'))).toBe('bytes are missing');
    expect(outcomeOf('what')).toBe('what');
  });

  test('names shares one by one, but not by the hundred', () => {
    expect([[3], [0, 5]].map(describeShares)).toEqual(['share 3', 'shares 0, 5']);
    const all = Array.from({ length: 256 }, (_, share) => share);
    expect(describeShares(all)).toBe('shares 0, 1, 2, 3, 4, 5, 6, 7 and 248 more');
  });

  test('times are short', () => {
    expect([40, 1234, 9960, 61_000].map(seconds)).toEqual(['0.0 s', '1.2 s', '10 s', '61 s']);
  });
});
