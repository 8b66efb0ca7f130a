// Starts a system's server in a process of its own, so that its work is on another core and can be told apart.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { ServerMessage } from './server.ts';

/** A running server. */
export interface ServerProcess extends AsyncDisposable {
  readonly address: string;
  readonly process: ChildProcess;
  /** Processor time that it has used up to now, in µs. */
  cpuUs(): Promise<number>;
}

export async function startServer(system: string, host = '127.0.0.1'): Promise<ServerProcess> {
  const child = fork(fileURLToPath(new URL('server.ts', import.meta.url)), [system, host], {
    execArgv: ['--import', 'tsx'],
  });
  const ready = (await next(child)) as Extract<ServerMessage, { type: 'ready' }>;
  return {
    address: ready.address,
    process: child,
    async cpuUs() {
      child.send('usage');
      return ((await next(child)) as Extract<ServerMessage, { type: 'usage' }>).cpuUs;
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    },
  };
}

/** What it says next. @throws Error when it ends instead. */
async function next(child: ChildProcess): Promise<ServerMessage> {
  const over = new AbortController();
  const { signal } = over;
  try {
    const ended = once(child, 'exit', { signal }).then(([code]) => {
      throw new Error(`the server process ended with ${code}`);
    });
    const [message] = await Promise.race([once(child, 'message', { signal }), ended]);
    return message as ServerMessage;
  } finally {
    over.abort();
  }
}
