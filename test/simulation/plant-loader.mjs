// Plants a bug into a process that is about to begin: replaces pieces of source text while Node loads the files that
// have them, so that no file of src/ knows of it. Meant to be given to node with --import, before tsx. It fails when
// a piece is not there exactly once. Which bugs there are is in planted-bugs/.

import { register } from 'node:module';
import { isMainThread } from 'node:worker_threads';

/** In the environment: JSON of `[{ file: 'src/…', find, replace }, …]`. */
const VARIABLE = 'SIM_PLANTED_EDITS';
const ROOT = new URL('../../', import.meta.url);

const text = process.env[VARIABLE];
if (text === undefined) throw new Error(`${VARIABLE} must say what is to be planted`);

// Node runs hooks in a thread of their own, which loads this file, too.
if (isMainThread) register(import.meta.url);

const edits = JSON.parse(text).map((edit) => ({ ...edit, url: new URL(edit.file, ROOT).href }));

export async function load(url, context, nextLoad) {
  const loaded = await nextLoad(url, context);
  const here = edits.filter((edit) => edit.url === url);
  if (here.length === 0) return loaded;
  let source = String(loaded.source);
  for (const { file, find, replace } of here) {
    const pieces = source.split(find);
    if (pieces.length !== 2) {
      throw new Error(
        `the bug cannot be planted: ${file} has ${pieces.length - 1} times, not once: ${JSON.stringify(find)}`,
      );
    }
    source = pieces.join(replace);
  }
  return { ...loaded, source };
}
