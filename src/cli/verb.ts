// The frame around a verb: starts its progress, runs it, and turns whatever it throws into words (or JSON) and an
// exit code. A verb itself only does its work and throws.

import { EXIT } from './exit-codes.ts';
import { FailedCalls } from './failed-calls.ts';
import { CliError, describeFailure, type Failure } from './failure.ts';
import { type CliIo, Interrupted, terminalTraits, writeFully } from './io.ts';
import { JsonLines } from './json-lines.ts';
import { createProgress } from './progress.ts';
import type { Progress } from './progress-tracker.ts';

/** How a verb is framed. */
export interface VerbOptions {
  readonly name: string;
  /** JSON lines instead of words: on standard output, unless the verb's own bytes go there. */
  readonly json?: boolean | undefined;
  /** Standard output carries a file: JSON lines go to standard error, and no bar is drawn over it. */
  readonly stdoutIsData?: boolean | undefined;
  /** Explain each call that failed, also when the verb has succeeded. */
  readonly verbose?: boolean | undefined;
  /** What to do after an interruption, as a clause: `run the same command again`. */
  readonly afterInterrupt: string;
}

/** What a verb gets while it runs. */
export interface VerbContext {
  readonly progress: Progress;
  /** Present when JSON lines were asked for. */
  readonly json: JsonLines | undefined;
}

/** What a verb says when it has succeeded. */
export interface VerbResult {
  /** For standard output, complete with line ends; ignored when JSON lines were asked for. */
  readonly text?: string;
  /** What went wrong without harm: on standard error, whatever that is. */
  readonly warnings?: readonly string[];
  /** A line for whoever looks on: shown on standard error when that is a terminal. */
  readonly note?: string;
  /** What the verb has found out is told by its exit code, too. Default 0. */
  readonly exitCode?: number;
  /** Fields of the summary, besides `ok`, and `exitCode` where that is not 0. */
  readonly summary: Readonly<Record<string, unknown>>;
}

/** Runs one verb to its exit code. Never throws. */
export async function runVerb(
  io: CliIo,
  options: VerbOptions,
  body: (context: VerbContext) => Promise<VerbResult>,
): Promise<number> {
  const json = options.json ? new JsonLines(options.stdoutIsData ? io.stderr : io.stdout) : undefined;
  const terminal = terminalTraits(io.stderr, io.env);
  const outputIsOnScreen = options.stdoutIsData === true && terminalTraits(io.stdout, io.env).isTerminal;
  const progress = await createProgress({
    stream: io.stderr,
    terminal: outputIsOnScreen ? { ...terminal, isTerminal: false } : terminal,
    json,
    label: options.name,
  });
  using failedCalls = options.verbose ? new FailedCalls() : undefined;
  try {
    const { text, note, warnings = [], exitCode = EXIT.ok, summary } = await body({ progress, json });
    progress.stop();
    await failedCalls?.tell(io.stderr, json);
    for (const warning of warnings) await writeFully(io.stderr, `nevermind ${options.name}: ${warning}\n`);
    if (note !== undefined && terminal.isTerminal) await writeFully(io.stderr, `${note}\n`);
    await deliver(() => {
      const outcome = exitCode === EXIT.ok ? { ok: true } : { ok: false, exitCode };
      if (json !== undefined) return json.writeSummary({ ...outcome, ...summary });
      return text === undefined ? undefined : writeFully(io.stdout, text);
    });
    return exitCode;
  } catch (error) {
    progress.stop();
    const failure = failureOf(error, io, options, progress);
    await report(failure, error, io, options, json, failedCalls);
    return failure.exitCode;
  }
}

/** What was to be known is lost with its stream, a capability for good: that is said, also where the reader left. */
async function deliver(write: () => Promise<void> | undefined): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    throw new CliError(`all was done, but the result could not be shown: ${error.message}`, {
      code: 'RESULT_LOST',
      exitCode: error.exitCode,
      next: 'run the same command again with its output going where it can be written',
      cause: error,
    });
  }
}

function failureOf(error: unknown, io: CliIo, options: VerbOptions, progress: Progress): Failure {
  // What goes wrong while a command is being stopped is a consequence, not the news.
  const reason: unknown = io.interrupted.reason;
  if (!(reason instanceof Interrupted)) return describeFailure(error, progress);
  return { ...describeFailure(reason, progress), next: options.afterInterrupt };
}

async function report(
  failure: Failure,
  error: unknown,
  io: CliIo,
  options: VerbOptions,
  json: JsonLines | undefined,
  failedCalls: FailedCalls | undefined,
): Promise<void> {
  // Nobody reads any more, and the program before us in the pipe has not failed either: leave without a word.
  if (failure.code === 'OUTPUT_CLOSED') return;
  const lines = [`nevermind ${options.name}: ${failure.message}`];
  if (failure.next !== undefined) lines.push(`  next: ${failure.next}`);
  if (io.env.NEVERMIND_DEBUG && error instanceof Error) lines.push(String(error.stack));
  try {
    await failedCalls?.tell(io.stderr, json);
    await writeFully(io.stderr, `${lines.join('\n')}\n`);
    await json?.writeSummary({ ok: false, exitCode: failure.exitCode, error: failureFields(failure) });
  } catch {
    // With both streams gone there is nobody left to tell; the exit code still does.
  }
}

function failureFields({ code, message, next }: Failure): Record<string, unknown> {
  return { code, message, next: next ?? null };
}
