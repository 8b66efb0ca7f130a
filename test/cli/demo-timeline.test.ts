import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import { renderTable } from '../../src/cli/demo/figures.ts';
import {
  renderTimeline,
  type Timeline,
  type TimelineRequest,
  timelineFields,
} from '../../src/cli/demo/timeline.ts';

/** One request each 10 ms from `fromMs` to `toMs`, answered after 5 ms. */
function requests(fromMs: number, toMs: number, everyMs = 10): TimelineRequest[] {
  const result: TimelineRequest[] = [];
  for (let atMs = fromMs; atMs < toMs; atMs += everyMs) {
    result.push({ startedAtMs: atMs, endedAtMs: atMs + 5, answered: true });
  }
  return result;
}

const unanswered = (startedAtMs: number): TimelineRequest => ({
  startedAtMs,
  endedAtMs: Number.POSITIVE_INFINITY,
  answered: false,
});

/** Two nodes go, at 1000 ms and in the middle of the last phase; the other two take over. */
const TIMELINE: Timeline = {
  phases: [
    { title: 'put', note: 'all there', startedAtMs: 0, endedAtMs: 400 },
    { title: 'get', note: '1 silent', startedAtMs: 1000, endedAtMs: 1200 },
    { title: 'put', note: '2 silent', startedAtMs: 1500, endedAtMs: 1900 },
  ],
  rows: [
    { label: 'node 1', requests: [...requests(0, 400), ...requests(1500, 1900)] },
    {
      label: 'node 2',
      requests: [...requests(0, 400), ...requests(1500, 1700), unanswered(1705), unanswered(1800)],
      gone: { atMs: 1700, how: 'killed' },
    },
    {
      label: 'node 3',
      requests: [...requests(0, 400), unanswered(1100)],
      gone: { atMs: 1000, how: 'stopped' },
    },
    {
      label: 'node 10',
      requests: [...requests(0, 400, 20), ...requests(1000, 1200), ...requests(1700, 1900, 5)],
    },
  ],
};

test('the chart as fields has times since the first phase, and no end for what is open', () => {
  const fields = timelineFields({
    phases: [{ title: 'get', note: '1 silent', startedAtMs: 100.04, endedAtMs: 300 }],
    rows: [
      { label: 'node 1', requests: [{ startedAtMs: 101, endedAtMs: 102.26, answered: true }] },
      { label: 'node 2', requests: [unanswered(150)], gone: { atMs: 140, how: 'killed' } },
    ],
  });
  expect(fields).toEqual({
    phases: [{ title: 'get', note: '1 silent', startedAtMs: 0, endedAtMs: 200 }],
    nodes: [
      { name: 'node 1', gone: null, requests: [[1, 2.2, true]] },
      { name: 'node 2', gone: { atMs: 40, how: 'killed' }, requests: [[50, null, false]] },
    ],
  });
});

describe('the chart', () => {
  test('shows who goes dark when, and who takes over', () => {
    expect(renderTimeline(TIMELINE, { columns: 72, colour: false })).toMatchInlineSnapshot(`
      "        │put                    │get            │put
              │all there              │1 silent       │2 silent
              │400 ms                 │200 ms         │400 ms
      node 3  │██▆▇██▆▇██▆▇█▇▆██▇▆██▇▆│■      ?       │
      node 2  │██▆▇██▆▇██▆▇█▇▆██▇▆██▇▆│···············│▅▅▅▄▄▄▅▅▄▄▄✖    ?
      node 1  │██▆▇██▆▇██▆▇█▇▆██▇▆██▇▆│···············│▅▅▅▄▄▄▅▅▄▄▄▅▅▅▄▄▄▅▅▄▄▄
      node 10 │▄▄▄▄▄▄▂▃▄▄▄▄▄▃▂▄▄▄▄▄▄▃▂│█▇▅█▇▅█▇▅█▇▅█▇▅│··········▁███████████
      ▁▂▃▄▅▆▇█ few to many requests answered   · there, not needed
      ■ SIGSTOP   ✖ SIGKILL   ? asked, no answer"
    `);
  });

  test('says the same in colour', () => {
    const plain = renderTimeline(TIMELINE, { columns: 72, colour: false });
    const coloured = renderTimeline(TIMELINE, { columns: 72, colour: true });
    expect(coloured).not.toBe(plain);
    const trimmed = stripVTControlCharacters(coloured)
      .split('\n')
      .map((line) => line.trimEnd());
    expect(trimmed.join('\n')).toBe(plain);
  });

  test.each([40, 60, 80, 132])('fits %d columns', (columns) => {
    const lines = renderTimeline(TIMELINE, { columns, colour: false }).split('\n').slice(0, -2);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
  });

  test('is drawn for phases that took no time and nodes that were asked nothing', () => {
    const empty = {
      phases: [{ title: 'get', note: 'all there', startedAtMs: 5, endedAtMs: 5 }],
      rows: [{ label: 'node 1', requests: [] }],
    };
    expect(renderTimeline(empty, { columns: 80, colour: false })).toContain('node 1 │··········');
  });
});

test('the table sets silent against healthy', () => {
  const figures = {
    fileBytes: 1,
    putMs: 1240,
    healthyGetMs: 400,
    silentGetMs: 520,
    lostMidwayGetMs: 1101,
    putWithLossMs: 2480,
  };
  expect(renderTable(figures, 3, false)).toMatchInlineSnapshot(`
    "┌──────────────────────────────┬─────────┬────────┬───────┬───────────────────┐
    │                              │ healthy │ silent │ ratio │          promised │
    │ get, 3 nodes silent          │  400 ms │ 520 ms │ × 1.3 │     ≤ 1.1 s: kept │
    │ get, one more stopped midway │  400 ms │  1.1 s │ × 2.8 │ ≤ 1.1 s: NOT kept │
    │ put, one more killed midway  │   1.2 s │  2.5 s │ × 2.0 │     ≤ 3.5 s: kept │
    └──────────────────────────────┴─────────┴────────┴───────┴───────────────────┘"
  `);
});
