import { execFile } from 'node:child_process';
import { promisify, stripVTControlCharacters } from 'node:util';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { JsonLines } from '../../src/cli/json-lines.ts';
import { createProgress, plainLine } from '../../src/cli/progress.ts';
import { barLine } from '../../src/cli/progress-bar.ts';
import type { Progress } from '../../src/cli/progress-tracker.ts';
import { Captured } from './cli-fixture.ts';

const MIB = 1024 * 1024;

beforeEach(() => {
  vi.useFakeTimers({
    toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'],
  });
});
afterEach(() => {
  vi.useRealTimers();
});

async function progressOn(
  stream: Captured,
  options: { isTerminal?: boolean; json?: JsonLines; colour?: boolean } = {},
): Promise<Progress> {
  const { isTerminal = false, json, colour = false } = options;
  return createProgress({ stream, terminal: { isTerminal, columns: 80, colour }, json, label: 'put' });
}

describe('where standard error is no terminal', () => {
  test('there is a plain line every 10 seconds, and none for what is quick', async () => {
    const stream = new Captured();
    const progress = await progressOn(stream);
    progress.startStage('pushing');
    vi.advanceTimersByTime(9_999);
    expect(stream.text).toBe('');
    progress.advance(12 * MIB, 32 * MIB);
    vi.advanceTimersByTime(1);
    progress.advance(24 * MIB, 32 * MIB);
    vi.advanceTimersByTime(10_000);
    progress.stop();
    vi.advanceTimersByTime(60_000);
    expect(stream.text).toBe(
      'put: 12.0 MiB of 32.0 MiB (37 %), 1.2 MiB/s, pushing, after 10.0 s\n' +
        'put: 24.0 MiB of 32.0 MiB (75 %), 1.2 MiB/s, pushing, after 20.0 s\n',
    );
  });

  test('a line says what is known while the size is not', async () => {
    const state = {
      stage: 'reading',
      doneBytes: 0,
      totalBytes: undefined,
      elapsedMs: 10_000,
      stageMs: 10_000,
    };
    expect(plainLine('put', state)).toBe('put: reading, after 10.0 s');
    expect(plainLine('put', { ...state, doneBytes: 5 * MIB })).toBe(
      'put: 5.0 MiB, 512 KiB/s, reading, after 10.0 s',
    );
  });

  test('100 % is said only when every byte is done', () => {
    const state = { stage: 'pushing', totalBytes: 1000 * MIB, elapsedMs: 1, stageMs: 0 };
    expect(plainLine('put', { ...state, doneBytes: 1000 * MIB - 1 })).toContain('(99 %)');
    expect(plainLine('put', { ...state, doneBytes: 1000 * MIB })).toContain('(100 %)');
    expect(plainLine('put', { ...state, doneBytes: 0, totalBytes: 0 })).toContain('(100 %)');
  });
});

describe('on a terminal', () => {
  const state = {
    stage: 'pushing',
    doneBytes: 8 * MIB,
    totalBytes: 32 * MIB,
    elapsedMs: 2000,
    stageMs: 2000,
  };

  test('there is a bar that is gone afterwards', async () => {
    const stream = new Captured();
    Object.assign(stream, { isTTY: true, columns: 80 });
    const progress = await progressOn(stream, { isTerminal: true });
    progress.startStage('pushing');
    vi.advanceTimersByTime(1000);
    progress.advance(8 * MIB, 32 * MIB);
    vi.advanceTimersByTime(1000);
    expect(stripVTControlCharacters(stream.text)).toMatch(/█+░+ pushing {2}8\.0 MiB of 32\.0 MiB \(25 %\)/);
    progress.stop();
    const afterStop = stream.text;
    expect(afterStop.endsWith('\u001b[2K')).toBe(true);
    vi.advanceTimersByTime(60_000);
    expect(stream.text).toBe(afterStop);
  });

  test('what is written aside is not drawn over', async () => {
    const stream = new Captured();
    Object.assign(stream, { isTTY: true, columns: 80 });
    const progress = await progressOn(stream, { isTerminal: true });
    progress.startStage('reading');
    await progress.aside(async () => {
      expect(stream.text.endsWith('\u001b[2K')).toBe(true);
      stream.write('a line\n');
    });
    vi.advanceTimersByTime(1000);
    progress.stop();
    expect(stream.text).toContain('a line\n');
  });

  test('the bar takes the columns that the words leave, and goes before the words do', () => {
    for (let columns = 20; columns < 200; columns++) {
      expect(barLine(state, { columns, colour: false }, 6).length).toBeLessThan(columns);
    }
    expect(barLine(state, { columns: 80, colour: false }, 6)).toBe(
      '█████░░░░░░░░░░░░░░░ pushing  8.0 MiB of 32.0 MiB (25 %)  4.0 MiB/s  6.0 s left',
    );
    expect(barLine(state, { columns: 60, colour: false }, 6)).not.toContain('█');
  });

  test('NO_COLOR leaves only the glyphs', () => {
    const options = { columns: 80 };
    expect(barLine(state, { ...options, colour: true }, 6)).toContain('\u001b[');
    expect(barLine(state, { ...options, colour: false }, 6)).not.toContain('\u001b[');
  });
});

// vitest forgives imports that Node does not.
test('the bar is loaded by Node itself too', async () => {
  vi.useRealTimers();
  const script = "await import('./src/cli/progress-bar.ts')";
  await promisify(execFile)(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script]);
}, 60_000);

test('as JSON there is a typed, versioned line for each stage and each second', async () => {
  const stream = new Captured();
  const stderr = new Captured();
  const progress = await progressOn(stderr, { isTerminal: true, json: new JsonLines(stream) });
  progress.startStage('pushing');
  progress.advance(5, 10);
  vi.advanceTimersByTime(1000);
  progress.stop();
  vi.advanceTimersByTime(5000);
  const lines = stream.text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
  expect(lines).toEqual([
    { type: 'progress', version: 1, stage: 'pushing', doneBytes: 0, totalBytes: null, elapsedMs: 0 },
    { type: 'progress', version: 1, stage: 'pushing', doneBytes: 5, totalBytes: 10, elapsedMs: 1000 },
  ]);
  expect(stderr.text).toBe('');
});
