// A load hook of Node's: gives every module of src/ (and the faults planted for the fuzzer's test) a counter for each branch, function and statement. Where they are
// is istanbul's work; here its counters, objects behind a function, become bytes of an array.

import type { LoadHook } from 'node:module';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createInstrumenter } from 'istanbul-lib-instrument';
import { EDGES_GLOBAL } from './coverage.ts';

const SOURCES = new URL('../../src/', import.meta.url).href;
const PLANTED = new URL('targets/planted-', import.meta.url).href;

const instrumenter = createInstrumenter({ esModules: true, compact: false });

export const load: LoadHook = async (url, context, nextLoad) => {
  const loaded = await nextLoad(url, context);
  const path = url.replace(/\?.*$/, '');
  const isCounted = path.startsWith(SOURCES) || path.startsWith(PLANTED);
  if (!isCounted || path.includes('.wasm.') || loaded.source === undefined) return loaded;
  const name = path.startsWith(SOURCES) ? path.slice(SOURCES.length) : basename(path);
  return { ...loaded, source: withByteCounters(String(loaded.source), fileURLToPath(path), name) };
};

/** `cov_1a2b().b[3][1]++` becomes `__edges[17]++`, and the function that istanbul puts in front goes. */
function withByteCounters(source: string, path: string, name: string): string {
  const instrumented = instrumenter.instrumentSync(source, path);
  const cover = /function (cov_\w+)\(\)/.exec(instrumented)?.[1];
  if (cover === undefined) return source;
  const begin = instrumented.indexOf(`function ${cover}()`);
  const call = `\n${cover}();\n`;
  const end = instrumented.indexOf(call, begin) + call.length;
  let count = 0;
  const body = (instrumented.slice(0, begin) + instrumented.slice(end)).replaceAll(
    new RegExp(`${cover}\\(\\)\\.(?:[sf]\\[\\d+\\]|b\\[\\d+\\]\\[\\d+\\])\\+\\+`, 'g'),
    () => `__edges[${count++}]++`,
  );
  return `const __edges = globalThis.${EDGES_GLOBAL}(${JSON.stringify(name)}, ${count});\n${body}`;
}
