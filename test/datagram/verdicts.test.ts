// Three peers that do not answer, on real sockets and with real processes: one is stopped, one has gone without its
// port being taken, and what is sent to one is dropped. Three different verdicts, over UDP and over TCP.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const NAMESPACE = `nevermind-test-${process.pid}`;
const SERVER = fileURLToPath(new URL('mute-server.ts', import.meta.url));
const CALLER = fileURLToPath(new URL('verdict-caller.ts', import.meta.url));
const KINDS = ['udp', 'tcp'] as const;
/** A bucket of one byte, which no packet fits into: everything is dropped, and nobody is told. */
const DROP_ALL = 'tc qdisc add dev lo root tbf rate 8bit burst 1b limit 1b'.split(' ');

/** A process of ours that writes a line of JSON when it has something to say. */
class Script implements AsyncDisposable {
  readonly process: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(path: string, args: readonly string[], prefix: readonly string[] = []) {
    const [command, ...rest] = [...prefix, process.execPath, '--import', 'tsx', path, ...args];
    this.process = spawn(command!, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.process.stdout! })[Symbol.asyncIterator]();
  }

  async next(): Promise<Record<string, unknown>> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error('the process has ended');
    return JSON.parse(value);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    this.process.kill('SIGKILL');
    await once(this.process, 'exit');
  }
}

describe.concurrent.each(KINDS)('over %s', (kind) => {
  // P-98, P-99
  it('a stopped process is frozen', async () => {
    await using server = new Script(SERVER, [kind, '127.0.0.1']);
    const { address } = await server.next();
    await using caller = new Script(CALLER, [kind, String(address)]);
    expect(await caller.next()).toEqual({ running: true });
    server.process.kill('SIGSTOP');
    const verdict = await caller.next();
    expect(verdict).toMatchObject({ code: 'PEER_SILENT', why: 'frozen' });
    expect(verdict['message']).toContain('its process says nothing');
    expect(verdict['explanation']).toContain('asked at a closed port, answered');
  });

  it('a port that nobody listens at any more is refused', async () => {
    await using server = new Script(SERVER, [kind, '127.0.0.1']);
    const { address } = await server.next();
    await server[Symbol.asyncDispose]();
    await using caller = new Script(CALLER, [kind, String(address)]);
    expect(await caller.next()).toMatchObject({ code: 'PEER_UNREACHABLE', why: 'refused' });
  });
});

const noNamespace = await whyNoNamespace();

/** Why the network cannot be told to drop packets here, in words. */
async function whyNoNamespace(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  try {
    await run('ip', ['netns', 'add', NAMESPACE]);
    await run('ip', ['netns', 'exec', NAMESPACE, ...DROP_ALL]);
    return undefined;
  } catch (error) {
    return `there are no network namespaces with tc's tbf here (${(error as Error).message.split('\n')[0]})`;
  } finally {
    await run('ip', ['netns', 'del', NAMESPACE]).catch(() => {});
  }
}

describe.skipIf(noNamespace !== undefined)(
  `packets that are dropped${noNamespace === undefined ? '' : ` (left out: ${noNamespace})`}`,
  () => {
    const inside = ['ip', 'netns', 'exec', NAMESPACE];
    const inNamespace = (...command: string[]) => run(inside[0]!, [...inside.slice(1), ...command]);

    beforeAll(async () => {
      await run('ip', ['netns', 'add', NAMESPACE]);
      await inNamespace('ip', 'link', 'set', 'dev', 'lo', 'up');
    });
    afterAll(async () => {
      await run('ip', ['netns', 'del', NAMESPACE]);
    });

    it.each(KINDS)('over %s are of a peer that has vanished', async (kind) => {
      await using server = new Script(SERVER, [kind, '127.0.0.1'], inside);
      const { address } = await server.next();
      await using caller = new Script(CALLER, [kind, String(address)], inside);
      expect(await caller.next()).toEqual({ running: true });
      await inNamespace(...DROP_ALL);
      try {
        const verdict = await caller.next();
        expect(verdict).toMatchObject({ code: 'PEER_SILENT', why: 'vanished' });
        expect(verdict['message']).toContain('nor from its machine');
        expect(verdict['explanation']).toContain('did not answer');
      } finally {
        await inNamespace('tc', 'qdisc', 'del', 'dev', 'lo', 'root');
      }
    });
  },
);
