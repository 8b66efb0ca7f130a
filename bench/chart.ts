// Pictures of figures: a Vega-Lite chart as an SVG file. On paper of its own, so that it reads on light and dark pages.

import { writeFile } from 'node:fs/promises';
import { parse, View } from 'vega';
import { type Config, compile, type TopLevelSpec } from 'vega-lite';

const CONFIG: Config = {
  background: '#ffffff',
  font: "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
  padding: 16,
  axis: {
    labelFontSize: 13,
    titleFontSize: 13,
    titleFontWeight: 'normal',
    gridColor: '#e4e8ed',
    labelColor: '#33404d',
  },
  legend: { labelFontSize: 13, titleFontSize: 13, symbolSize: 140, labelLimit: 420 },
  title: { fontSize: 16, anchor: 'start', subtitleFontSize: 13, subtitleColor: '#55606c' },
  header: { labelFontSize: 14, labelFontWeight: 'bold', titleFontSize: 13 },
};

/** Draws `spec`, in the project's style, into the file `path`. */
export async function writeChart(path: string, spec: TopLevelSpec): Promise<void> {
  const view = new View(parse(compile({ ...spec, config: CONFIG }).spec), { renderer: 'none' });
  // A tenth of a pixel is enough, and makes the file half as large.
  const svg = (await view.toSVG()).replace(/\d+\.\d{2,}/g, (number) =>
    String(Number(Number(number).toFixed(1))),
  );
  view.finalize();
  await writeFile(path, `${svg}\n`);
}
