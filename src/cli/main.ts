#!/usr/bin/env node
// The executable: gives the process's streams and signals to the program and takes its exit code.
// The first signal asks the verb to stop and clean up; the second leaves at once.

import { EXIT } from './exit-codes.ts';
import { Interrupted, STOP_SIGNALS } from './io.ts';
import { runCli } from './program.ts';

const { stdout, stderr, env } = process;
/** Shorter than anybody presses a key twice. */
const ECHO_MS = 250;

const stop = new AbortController();
let stoppedAtMs = 0;
const hangupListeners = new Set<() => void>();
for (const signal of STOP_SIGNALS) {
  process.on(signal, () => {
    if (signal === 'SIGHUP' && hangupListeners.size > 0) {
      for (const listener of hangupListeners) listener();
      return;
    }
    const interrupted = new Interrupted(signal);
    if (!stop.signal.aborted) {
      stoppedAtMs = performance.now();
      stop.abort(interrupted);
      return;
    }
    // One Ctrl-C arrives twice under npm: from the terminal, and passed on by npm itself.
    const isEcho = stop.signal.reason.code === signal && performance.now() - stoppedAtMs < ECHO_MS;
    if (!isEcho) process.exit(interrupted.exitCode);
  });
}

// A reader that went away is told to whoever writes; those who do not wait for their bytes need not hear of it.
stdout.on('error', () => {});
stderr.on('error', () => {});

process.exitCode = EXIT.other;
process.exitCode = await runCli(process.argv.slice(2), {
  openStdin: () => process.stdin,
  stdout,
  stderr,
  env,
  interrupted: stop.signal,
  takeHangups: (listener) => {
    hangupListeners.add(listener);
    return { [Symbol.dispose]: () => void hangupListeners.delete(listener) };
  },
});
// What the reader of standard output has not taken would keep the process; who interrupts waits for nobody.
if (stop.signal.aborted) process.exit();
