// `nevermind demo`: a file on ten storage nodes, each a process of its own, while some are stopped and killed. The
// story, its order and its words; what happens on stage is in demo/.

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { UploadSource } from '../grid/source.ts';
import { removeAtExit } from './cleanup.ts';
import { type DemoFigures, nodes as nodeCount } from './demo/figures.ts';
import { Fleet } from './demo/fleet.ts';
import { Narrator, namesOf } from './demo/narrator.ts';
import { checkDemoFile, type DemoPlan, planDemo } from './demo/plan.ts';
import { digestOf, Stage } from './demo/stage.ts';
import { EXIT } from './exit-codes.ts';
import { CliError } from './failure.ts';
import { type FileSource, openSource } from './file-source.ts';
import type { CliIo } from './io.ts';
import { connectGrid, type TransportKind } from './network.ts';
import { timeLimit } from './time-limit.ts';
import { openTrace } from './trace.ts';
import { formatBytes, formatDuration } from './units.ts';
import { runVerb, type VerbResult } from './verb.ts';

/** What `demo` takes. */
export interface DemoOptions {
  readonly nodes: number;
  readonly silent: number;
  readonly file?: string | undefined;
  readonly transport?: TransportKind | undefined;
  readonly trace?: string | undefined;
  readonly verbose?: boolean | undefined;
  readonly json?: boolean | undefined;
}

/** Runs the demonstration; succeeds only when every byte came back each time. */
export function demo(io: CliIo, options: DemoOptions): Promise<number> {
  const { json, verbose } = options;
  return runVerb(io, { name: 'demo', json, verbose, afterInterrupt: AGAIN }, async (context) => {
    const plan = planDemo(options.nodes, options.silent);
    await using file = await openDemoFile(io, options.file);
    checkDemoFile(file.sizeBytes, file.label);
    await using folder = await temporaryFolder();
    context.progress.startStage(`starting ${nodeCount(plan.nodes)}`);
    await using fleet = await startFleet(plan.nodes, folder.path, options.transport, io.interrupted);
    const startedAfterMs = context.progress.elapsedMs;
    const servers = fleet.nodes.map(({ address }) => ({ address, permutationSeed: undefined }));
    await using trace = await openTrace(io, options, 'client');
    await using connection = await connectGrid({ servers }, { ...options, trace });
    const { progress } = context;
    using stage = new Stage({ fleet, connection, plan, progress, signal: io.interrupted });
    const narrator = new Narrator(io, context);
    await narrator.say('started', { nodes: plan.nodes, elapsedMs: Math.round(startedAfterMs) }, [
      `${nodeCount(plan.nodes)}, each a process of its own on this machine`,
      formatDuration(startedAfterMs),
    ]);
    // Client and nodes have done everything once before the clock runs: what is compared is not how cold they were.
    await stage.rehearse(firstBytes(file, Math.min(file.sizeBytes, REHEARSAL_BYTES)));
    return await tell(stage, narrator, plan, file);
  });
}

/** The story. */
async function tell(stage: Stage, narrator: Narrator, plan: DemoPlan, file: FileSource): Promise<VerbResult> {
  const digest = await digestOf(file.read());
  const size = formatBytes(digest.sizeBytes);
  await narrator.say('file', { label: file.label, ...digest }, [`${size} of ${file.label}`]);
  await narrator.add([`      SHA-256 ${digest.sha256}`]);

  const healthyPut = await stage.put('put', file, plan.happy);
  await narrator.put('every node answers', healthyPut, digest, {
    happiness: healthyPut.happiness,
    asked: plan.happy,
    why: `any ${plan.needed} of ${plan.total} shares rebuild the file`,
  });
  const healthyGet = await stage.get('get', healthyPut.capability, digest);
  await narrator.get('every node answers', healthyGet, digest);

  const silentGet = await stage.get(`get with ${plan.silent} silent`, healthyPut.capability, digest, {
    when: 'before',
    how: 'stopped',
    count: plan.silent,
  });
  const circumstance =
    plan.silent === 0
      ? 'every node still answers'
      : `${namesOf(silentGet.lost)} stopped (SIGSTOP), without a word`;
  await narrator.get(circumstance, silentGet, digest);

  const midwayGet = await stage.get(`get with ${plan.silent + 1} silent`, healthyPut.capability, digest, {
    when: 'midway',
    how: 'stopped',
  });
  await narrator.get(`${namesOf(midwayGet.lost)} stopped (SIGSTOP) in the middle`, midwayGet, digest);

  const lossPut = await stage.put(`put with ${plan.silent + 2} silent`, file, plan.happyWithLoss, {
    when: 'midway',
    how: 'killed',
  });
  const alive = `${nodeCount(plan.survivors)} can still answer`;
  await narrator.put(`${namesOf(lossPut.lost)} killed (SIGKILL) in the middle`, lossPut, digest, {
    happiness: lossPut.happiness,
    asked: plan.happyWithLoss,
    why: `${alive}, so min(7, ${plan.survivors}) is the most to ask for`,
  });
  const finalGet = await stage.get(`get with ${plan.silent + 2} silent`, lossPut.capability, digest);
  await narrator.get('what was put last', finalGet, digest);

  const figures: DemoFigures = {
    fileBytes: digest.sizeBytes,
    putMs: healthyPut.elapsedMs,
    healthyGetMs: healthyGet.elapsedMs,
    silentGetMs: silentGet.elapsedMs,
    lostMidwayGetMs: midwayGet.elapsedMs,
    putWithLossMs: lossPut.elapsedMs,
  };
  return {
    text: narrator.closing(stage, figures, plan),
    summary: { ...roundAll(figures), nodes: plan.nodes, silent: plan.silent, sha256: digest.sha256 },
  };
}

function roundAll(figures: DemoFigures): Record<string, number> {
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, Math.round(value)]));
}

async function startFleet(
  nodes: number,
  folder: string,
  transport: TransportKind | undefined,
  interrupted: AbortSignal,
): Promise<Fleet> {
  const reason = new CliError(`the nodes had not started after ${formatDuration(START_LIMIT_MS)}`, {
    code: 'DEMO_TOO_SLOW',
    exitCode: EXIT.other,
    next: 'run it again when the machine is less busy, or with fewer --nodes',
  });
  using limit = timeLimit(START_LIMIT_MS, reason);
  return await Fleet.start(nodes, folder, transport, AbortSignal.any([interrupted, limit.signal]));
}

/** The user's file, or the beginning of the program that is running: real bytes that every machine has. */
async function openDemoFile(io: CliIo, file: string | undefined): Promise<FileSource> {
  if (file !== undefined) return openSource(file, io);
  const executable = await openSource(process.execPath, io);
  const sizeBytes = Math.min(executable.sizeBytes, DEFAULT_FILE_BYTES);
  return {
    ...firstBytes(executable, sizeBytes),
    label: 'the running Node executable',
    [Symbol.asyncDispose]: () => executable[Symbol.asyncDispose](),
  };
}

function firstBytes(source: UploadSource, sizeBytes: number): UploadSource {
  return {
    sizeBytes,
    async *read(fromByte = 0): AsyncGenerator<Uint8Array, void, undefined> {
      let leftBytes = sizeBytes - fromByte;
      if (leftBytes <= 0) return;
      for await (const chunk of source.read(fromByte)) {
        yield chunk.subarray(0, leftBytes);
        leftBytes -= chunk.length;
        if (leftBytes <= 0) return;
      }
    },
  };
}

async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'nevermind-demo-'));
  const cleanup = removeAtExit(path);
  return { path, [Symbol.asyncDispose]: () => cleanup.removeNow() };
}

const DEFAULT_FILE_BYTES = 32 * 1024 * 1024;
const REHEARSAL_BYTES = 4 * 1024 * 1024;
const START_LIMIT_MS = 60_000;
const AGAIN = 'all its nodes and files are gone; run it again whenever you like';
