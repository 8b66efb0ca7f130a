// What a verb may touch of the process: its streams, its environment, and the wish of its user to stop.
// Everything else (arguments, exit code) is passed explicitly, so that tests can run a verb in process.

import type { Readable, Writable } from 'node:stream';
import { EXIT } from './exit-codes.ts';
import { CliError } from './failure.ts';

/** The process as a verb sees it. */
export interface CliIo {
  /** Standard input; opened only by who reads it, because an open one keeps the process alive. */
  readonly openStdin: () => Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly env: CliEnv;
  /** Aborts with an {@link Interrupted} at the first SIGINT, SIGTERM or SIGHUP. */
  readonly interrupted: AbortSignal;
  /** From now on, until it is disposed, SIGHUP is told to the listener and stops nothing. */
  readonly takeHangups: (listener: () => void) => Disposable;
}

/** The environment variables that mean something here. */
export interface CliEnv {
  readonly NEVERMIND_GRID?: string | undefined;
  readonly NEVERMIND_CONVERGENCE?: string | undefined;
  /** Set: unexpected errors are shown with their stack. */
  readonly NEVERMIND_DEBUG?: string | undefined;
  readonly XDG_CONFIG_HOME?: string | undefined;
  readonly NEVERMIND_LEASE_SECRET?: string | undefined;
  readonly HOME?: string | undefined;
  readonly NO_COLOR?: string | undefined;
  readonly FORCE_COLOR?: string | undefined;
  readonly TERM?: string | undefined;
}

/** What a stream can show. */
export interface TerminalTraits {
  readonly isTerminal: boolean;
  readonly columns: number;
  readonly colour: boolean;
}

/** A signal that asks for a clean stop. */
export type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

export const STOP_SIGNALS: readonly StopSignal[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** The user, or the system, asked the command to stop. */
export class Interrupted extends CliError {
  override readonly name: string = 'Interrupted';

  constructor(signal: StopSignal) {
    super(`stopped by ${signal}`, { code: signal, exitCode: SIGNAL_EXIT_CODES[signal] });
  }
}

const SIGNAL_EXIT_CODES: Readonly<Record<StopSignal, number>> = {
  SIGHUP: EXIT.hangup,
  SIGINT: EXIT.interrupted,
  SIGTERM: EXIT.terminated,
};

/**
 * Terminal or not, its width (80 when it does not say), and whether to colour: NO_COLOR and FORCE_COLOR decide,
 * then whether it is a terminal that knows colours.
 */
export function terminalTraits(stream: Writable, env: CliEnv): TerminalTraits {
  const { isTTY, columns } = stream as { isTTY?: boolean; columns?: number };
  const isTerminal = isTTY === true;
  const forced = env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '0';
  const refused = (env.NO_COLOR ?? '') !== '';
  return {
    isTerminal,
    columns: columns !== undefined && columns > 0 ? columns : 80,
    colour: !refused && (forced || (isTerminal && env.TERM !== 'dumb')),
  };
}

/**
 * Writes and waits until the stream has taken it: backpressure reaches the caller, also while `signal` may abort.
 * @throws CliError with {@link EXIT.outputClosed} when the reader left; `signal.reason` when it aborts.
 */
export async function writeFully(
  stream: Writable,
  bytes: Uint8Array | string,
  signal?: AbortSignal,
): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    // Without a listener of its own a stream's 'error' would end the process before the callback is heard.
    const onError = (error: Error): void => settle(() => reject(outputFailure(error)));
    const onAbort = (): void => settle(() => reject(signal?.reason));
    const settle = (how: () => void): void => {
      signal?.removeEventListener('abort', onAbort);
      stream.off('error', onError);
      how();
    };
    stream.on('error', onError);
    signal?.addEventListener('abort', onAbort, { once: true });
    stream.write(bytes, (error) => (error ? onError(error) : settle(resolve)));
  });
}

function outputFailure(error: NodeJS.ErrnoException): CliError {
  if (error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED') {
    return new CliError('the reader of standard output went away', {
      code: 'OUTPUT_CLOSED',
      exitCode: EXIT.outputClosed,
      cause: error,
    });
  }
  return new CliError(`standard output cannot be written: ${error.message}`, {
    code: 'OUTPUT_FAILED',
    exitCode: EXIT.other,
    next: 'write to a file on a disk with room instead: -o FILE',
    cause: error,
  });
}
