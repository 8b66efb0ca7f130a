// `--trace FILE`: what a verb's transport does, written down until the verb ends.

import type { TraceFile } from '../trace/trace-file.ts';
import { fileProblem, isErrnoException, usageError } from './failure.ts';
import type { CliIo } from './io.ts';
import type { TransportKind } from './network.ts';

/** What a verb takes for it. */
export interface TraceOptions {
  readonly trace?: string | undefined;
  readonly transport?: TransportKind | undefined;
}

/**
 * Opens the file; close it after the transport. Nothing was asked for: `undefined`. @throws CliError over TCP, of
 * which there are no packets to see; the file system's error.
 */
export async function openTrace(
  io: CliIo,
  { trace: path, transport }: TraceOptions,
  vantagePoint: 'client' | 'server',
): Promise<TraceFile | undefined> {
  if (path === undefined) return undefined;
  if (transport === 'tcp') {
    throw usageError(
      '--trace shows packets, and over TCP only the operating system sees them',
      'leave out --trace, or use --transport udp',
    );
  }
  const { openTraceFile } = await import('../trace/trace-file.ts');
  return openTraceFile(path, {
    vantagePoint,
    title: `nevermind ${vantagePoint}`,
    onError: (error) => {
      const problem = isErrnoException(error) ? fileProblem(error, path) : String(error);
      io.stderr.write(`nevermind: the trace ends here: ${problem}\n`);
    },
  });
}
