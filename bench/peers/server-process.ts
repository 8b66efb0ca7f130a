// Starts a system's server, or client, in a process of its own: so that its work is on another core and can be told apart,
// and so that it can be at one end of a link.

import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { LinkEnd } from '../lossy-link.ts';
import type { ClientOrder } from './client.ts';
import type { ServerMessage } from './server.ts';

/** A running server. */
export interface ServerProcess extends AsyncDisposable {
  readonly address: string;
  readonly process: ChildProcess;
  /** Processor time that it has used up to now, in µs. */
  cpuUs(): Promise<number>;
}

/** Starts it on this machine, or at one end of a link. */
export async function startServer(system: string, host = '127.0.0.1', end?: LinkEnd): Promise<ServerProcess> {
  const child = start('server.ts', [system, host], end);
  const ready = (await next(child)) as Extract<ServerMessage, { type: 'ready' }>;
  return {
    address: ready.address,
    process: child,
    async cpuUs() {
      child.send('usage');
      return ((await next(child)) as Extract<ServerMessage, { type: 'usage' }>).cpuUs;
    },
    [Symbol.asyncDispose]: () => stop(child),
  };
}

/** A client process at one end of a link, which does what it is told. */
export interface ClientProcess extends AsyncDisposable {
  /** Sends `order` and waits for what the client says to it. */
  ask(order: ClientOrder): Promise<unknown>;
}

/** Starts a client at one end of a link; it connects when it gets its first order. */
export function startClient(system: string, address: string, end: LinkEnd): ClientProcess {
  const child = start('client.ts', [system, address], end);
  return {
    ask(order) {
      child.send(order);
      return next(child);
    },
    [Symbol.asyncDispose]: () => stop(child),
  };
}

function start(file: string, args: readonly string[], end: LinkEnd | undefined): ChildProcess {
  const all = ['--import', 'tsx', fileURLToPath(new URL(file, import.meta.url)), ...args];
  const stdio: StdioOptions = ['ignore', 'inherit', 'inherit', 'ipc'];
  return end === undefined
    ? spawn(process.execPath, all, { stdio })
    : end.spawn(process.execPath, all, { stdio });
}

async function stop(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

/** What it says next. @throws Error when it ends instead. */
async function next(child: ChildProcess): Promise<unknown> {
  const over = new AbortController();
  const { signal } = over;
  try {
    const ended = once(child, 'exit', { signal }).then(([code]) => {
      throw new Error(`a process of the benchmark ended with ${code}`);
    });
    const [message] = await Promise.race([once(child, 'message', { signal }), ended]);
    return message;
  } finally {
    over.abort();
  }
}
