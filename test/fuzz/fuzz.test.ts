// The fuzzer's findings, replayed, and a short slice of its work with a fixed seed. What it would find in an hour is
// for `npm run fuzz`.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { readCorpus } from './corpus.ts';
import { Mutator } from './mutator.ts';
import { loadTarget, TARGET_NAMES } from './targets.ts';

const SEED = 20_260_801;
/** Of each target, changed at random: enough to see that a target works, and what it reads cheaply. */
const EXECUTIONS = 300;

describe.each(TARGET_NAMES)('%s', (name) => {
  test('keeps its promises for all inputs found so far', async () => {
    const target = await loadTarget(name);
    const corpus = readCorpus(name);
    expect(corpus.length + target.seeds.length).toBeGreaterThan(0);
    for (const input of [...target.seeds, ...corpus]) {
      await expect(
        (async () => target.run(input))(),
        Buffer.from(input).toString('hex'),
      ).resolves.toBeUndefined();
    }
  });

  test(`keeps them for ${EXECUTIONS} changes of these`, async () => {
    const target = await loadTarget(name);
    const known = [...target.seeds, ...readCorpus(name)].filter(({ length }) => length <= target.maxBytes);
    const mutator = new Mutator(SEED, target.maxBytes, target.dictionary ?? []);
    const { dice } = mutator;
    for (let execution = 0; execution < EXECUTIONS; execution++) {
      mutator.mutate(known[dice.below(known.length)]!, known[dice.below(known.length)]!);
      await target.run(mutator.input);
    }
  });
});

test('the fuzzer sees a promise that is broken behind branches, and an input that hangs', async () => {
  const { summary, stderr } = await fuzz('planted-crash,planted-hang');
  expect(summary).toMatchObject({ type: 'summary', version: 1, crashes: 1, hangs: 1, growths: 0 });
  expect(stderr).toContain('broken: nobody says fuzz');
  expect(stderr).toMatch(/replay: npm run fuzz -- --replay \S+planted-hang\S+failure-/);
});

interface Summary {
  readonly crashes: number;
  readonly hangs: number;
}

/** `npm run fuzz` on these targets, which stops when each has made enough executions. */
async function fuzz(targets: string): Promise<{ summary: Summary; stderr: string }> {
  const { NODE_OPTIONS: _, ...env } = process.env;
  const args = ['--seconds', '60', '--executions', '200000', '--seed', '1', '--targets', targets, '--json'];
  const file = fileURLToPath(new URL('fuzz.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', file, ...args, '--hang-ms', '1500', '--forget'], {
    env,
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (text) => (output.stdout += text));
  child.stderr.on('data', (text) => (output.stderr += text));
  await once(child, 'close');
  return { summary: JSON.parse(output.stdout.trim().split('\n').at(-1)!), stderr: output.stderr };
}
