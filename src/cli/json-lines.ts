// `--json`: one JSON object per line, each with its `type` and `version`; the last one is a `summary`. Fields are
// only ever added to a version. spec/command-line.md lists the types.

import type { Writable } from 'node:stream';
import { writeFully } from './io.ts';

/** Version of every line's layout. */
const JSON_LINES_VERSION = 1;

/** Writes JSON lines to a stream. */
export class JsonLines {
  readonly #stream: Writable;

  constructor(stream: Writable) {
    this.#stream = stream;
  }

  /** One line, on its way in order; who cannot wait for the stream need not. */
  write(type: string, fields: Readonly<Record<string, unknown>>): void {
    this.#stream.write(line(type, fields));
  }

  /** The last line; resolves when everything before it was taken too. */
  async writeSummary(fields: Readonly<Record<string, unknown>>): Promise<void> {
    await writeFully(this.#stream, line('summary', fields));
  }
}

function line(type: string, fields: Readonly<Record<string, unknown>>): string {
  return `${JSON.stringify({ type, version: JSON_LINES_VERSION, ...fields })}\n`;
}
