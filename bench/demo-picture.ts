// The picture of the README: what each node answered in one run of the demonstration, as SVG. Reads the JSON lines of
// the demonstration on standard input and draws their `timeline`; it measures nothing itself.
//
//   npm run --silent nevermind -- demo --json | node --import tsx bench/demo-picture.ts > spec/demo.svg

import { text } from 'node:stream/consumers';

interface Phase {
  readonly title: string;
  readonly note: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
}

interface DemoNode {
  readonly name: string;
  readonly gone: { readonly atMs: number; readonly how: 'stopped' | 'killed' } | null;
  /** Start, end (null: still open), answered. */
  readonly requests: readonly (readonly [number, number | null, boolean])[];
}

/** A phase and where it stands in the picture. */
interface Panel extends Phase {
  readonly left: number;
  readonly width: number;
}

const WIDTH = 960;
const MARGIN = 20;
const LABEL_WIDTH = 66;
const PANEL_GAP = 8;
const PANEL_WIDTH_MIN = 92;
const HEAD_HEIGHT = 62;
const ROW_HEIGHT = 26;
const BAR_HEIGHT = 20;
const LEGEND_HEIGHT = 44;
/** A bar and the gap behind it. */
const BIN_WIDTH = 4;
const BAR_WIDTH = 3;

const STYLE = `
  svg { font: 12px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; }
  .paper { fill: #ffffff; stroke: #d9dee5; }
  .panel { fill: #f4f6f9; }
  .title { fill: #1c2733; font-weight: 600; }
  .note, .legend { fill: #66727f; }
  .label { fill: #33404d; text-anchor: end; font-variant-numeric: tabular-nums; }
  .bars { fill: #0f8a7e; }
  .idle { stroke: #c3cad3; stroke-dasharray: 1 3; }
  .stripes { stroke: #ccd3db; stroke-width: 3; }
  .stopped { fill: #d98a00; }
  .killed { stroke: #d1242f; stroke-width: 2.4; stroke-linecap: round; }
  .vain { fill: #d1242f; }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0f151c; stroke: #2a3440; }
    .panel { fill: #18212b; }
    .title { fill: #e8edf3; }
    .note, .legend { fill: #8e9aa7; }
    .label { fill: #c5ced8; }
    .bars { fill: #34c7b5; }
    .idle { stroke: #3a4653; }
    .stripes { stroke: #2c3743; }
    .stopped { fill: #f2b33d; }
    .killed { stroke: #ff6b6b; }
    .vain { fill: #ff6b6b; }
  }`;

const lines = (await text(process.stdin)).split('\n').filter((line) => line.startsWith('{'));
const timeline = lines.map((line) => JSON.parse(line)).find(({ type }) => type === 'timeline');
if (timeline === undefined) {
  console.error('There is no line of type "timeline": give the output of `nevermind demo --json`.');
  process.exit(2);
}
process.stdout.write(picture(timeline.phases, timeline.nodes));

/** The whole picture. Nodes that went come first, in the order in which they did. */
function picture(phases: readonly Phase[], nodes: readonly DemoNode[]): string {
  const panels = layOut(phases);
  const rows = nodes.toSorted((a, b) => (a.gone?.atMs ?? Infinity) - (b.gone?.atMs ?? Infinity) || 0);
  const bottom = HEAD_HEIGHT + rows.length * ROW_HEIGHT;
  const height = bottom + LEGEND_HEIGHT;
  const peaks = panels.map((panel) =>
    highest(
      nodes.flatMap((node) => loads(node, panel)),
      0.985,
    ),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="Requests answered by each node over time, while nodes are stopped and killed">`,
    `<style>${STYLE}\n</style>`,
    '<defs><pattern id="gone" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path class="stripes" d="M0 0V8"/></pattern></defs>',
    `<rect class="paper" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="10"/>`,
    ...panels.map((panel) => head(panel, bottom)),
    ...rows.map((node, index) => row(node, HEAD_HEIGHT + index * ROW_HEIGHT, panels, peaks)),
    legend(bottom + 26),
    '</svg>',
    '',
  ].join('\n');
}

/** Each phase gets what its head needs, and of the rest a part as large as its part of the time. */
function layOut(phases: readonly Phase[]): Panel[] {
  const gaps = PANEL_GAP * (phases.length - 1);
  const spare = WIDTH - 2 * MARGIN - LABEL_WIDTH - gaps - PANEL_WIDTH_MIN * phases.length;
  const wholeMs = phases.reduce((sum, phase) => sum + lengthMs(phase), 0);
  let left = MARGIN + LABEL_WIDTH;
  return phases.map((phase) => {
    const wanted = PANEL_WIDTH_MIN + (spare * lengthMs(phase)) / wholeMs;
    const width = Math.floor(wanted / BIN_WIDTH) * BIN_WIDTH;
    const panel = { ...phase, left, width };
    left += width + PANEL_GAP;
    return panel;
  });
}

function head(panel: Panel, bottom: number): string {
  const { left, width, title, note } = panel;
  const seconds = `${(lengthMs(panel) / 1000).toFixed(1)} s`;
  return [
    `<rect class="panel" x="${left}" y="${HEAD_HEIGHT - 3}" width="${width}" height="${bottom - HEAD_HEIGHT + 2}" rx="4"/>`,
    `<text class="title" x="${left + 2}" y="30">${escapeText(title)} <tspan font-weight="400">${seconds}</tspan></text>`,
    `<text class="note" x="${left + 2}" y="48">${escapeText(note)}</text>`,
  ].join('');
}

function row(node: DemoNode, top: number, panels: readonly Panel[], peaks: readonly number[]): string {
  const base = top + BAR_HEIGHT;
  const label = `<text class="label" x="${MARGIN + LABEL_WIDTH - 12}" y="${base - 5}">${escapeText(node.name)}</text>`;
  return label + panels.map((panel, index) => cell(node, panel, base, peaks[index]!)).join('');
}

/** One node in one phase: bars of what it answered; stripes where it is gone, dots where it was asked in vain. */
function cell(node: DemoNode, panel: Panel, base: number, peak: number): string {
  const goneAtMs = node.gone?.atMs ?? Infinity;
  const goneX = Math.min(panel.left + panel.width, Math.max(panel.left, Math.round(xOf(goneAtMs, panel))));
  const bars = loads(node, panel).flatMap((load, bin) => {
    const height = Math.ceil(Math.min(load / peak, 1) * BAR_HEIGHT);
    return height > 0 ? [`M${panel.left + bin * BIN_WIDTH} ${base}v-${height}h${BAR_WIDTH}v${height}z`] : [];
  });
  const parts = [`<path class="idle" d="M${panel.left} ${base - 0.5}H${goneX}"/>`];
  if (bars.length > 0) parts.push(`<path class="bars" d="${bars.join('')}"/>`);
  if (goneAtMs < panel.endedAtMs) {
    const width = panel.left + panel.width - goneX;
    parts.push(
      `<rect fill="url(#gone)" x="${goneX}" y="${base - BAR_HEIGHT}" width="${width}" height="${BAR_HEIGHT}"/>`,
    );
    const vain = node.requests.filter(
      ([start, , answered]) =>
        !answered && start >= Math.max(goneAtMs, panel.startedAtMs) && start < panel.endedAtMs,
    );
    const places = new Set(vain.map(([start]) => Math.round(xOf(start, panel))));
    for (const x of places)
      parts.push(`<circle class="vain" cx="${x + 2}" cy="${base - BAR_HEIGHT / 2}" r="2.5"/>`);
    if (goneAtMs >= panel.startedAtMs || panel.startedAtMs - goneAtMs < 1) {
      parts.push(mark(node.gone!.how, goneX + 5, base - BAR_HEIGHT / 2));
    }
  }
  return parts.join('');
}

function mark(how: 'stopped' | 'killed', x: number, y: number): string {
  switch (how) {
    case 'stopped':
      return `<rect class="stopped" x="${x - 5}" y="${y - 5}" width="10" height="10" rx="1.5"/>`;
    case 'killed':
      return `<path class="killed" d="M${x - 4} ${y - 4}l8 8m0 -8l-8 8"/>`;
    default:
      return how satisfies never;
  }
}

function legend(y: number): string {
  const words = (x: number, meaning: string): string =>
    `<text class="legend" x="${x}" y="${y}">${meaning}</text>`;
  const left = MARGIN + LABEL_WIDTH;
  return [
    `<path class="bars" d="M${left} ${y}v-4h3v4zM${left + 4} ${y}v-9h3v9zM${left + 8} ${y}v-13h3v13z"/>`,
    words(left + 18, 'requests answered'),
    mark('stopped', left + 155, y - 4),
    words(left + 166, 'SIGSTOP'),
    mark('killed', left + 242, y - 4),
    words(left + 253, 'SIGKILL'),
    `<circle class="vain" cx="${left + 322}" cy="${y - 4}" r="2.5"/>`,
    words(left + 331, 'asked, no answer'),
    `<rect fill="url(#gone)" x="${left + 446}" y="${y - 12}" width="26" height="14"/>`,
    words(left + 478, 'gone without a word'),
  ].join('');
}

/** Answered requests per bar; one that took several bars is spread over them. */
function loads(node: DemoNode, panel: Panel): number[] {
  const result = new Array<number>(panel.width / BIN_WIDTH).fill(0);
  for (const [startMs, endMs, answered] of node.requests) {
    if (!answered || endMs === null) continue;
    const from = (xOf(startMs, panel) - panel.left) / BIN_WIDTH;
    const to = Math.max((xOf(endMs, panel) - panel.left) / BIN_WIDTH, from + 1e-6);
    for (let bin = Math.max(0, Math.floor(from)); bin < Math.min(result.length, to); bin++) {
      result[bin]! += (Math.min(to, bin + 1) - Math.max(from, bin)) / (to - from);
    }
  }
  return result;
}

/** What a part of all loads does not exceed: one burst must not make everything else look small. */
function highest(all: readonly number[], part: number): number {
  const sorted = all.filter((load) => load > 0).sort((a, b) => a - b);
  return sorted[Math.floor(part * (sorted.length - 1))] ?? 1;
}

function xOf(atMs: number, panel: Panel): number {
  return panel.left + ((atMs - panel.startedAtMs) / lengthMs(panel)) * panel.width;
}

function lengthMs({ startedAtMs, endedAtMs }: Phase): number {
  return endedAtMs - startedAtMs;
}

function escapeText(words: string): string {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
