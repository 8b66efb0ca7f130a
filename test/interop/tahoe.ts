// A grid of unmodified Tahoe-LAFS processes on this machine: an introducer, storage nodes, clients. It is installed from
// PyPI into a virtual environment under the cache folder, once; or TAHOE names a `tahoe` executable.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { atExit } from '../../src/cli/cleanup.ts';

const execute = promisify(execFile);
const VERSION = '1.20.0';

/** Tahoe-LAFS cannot be had on this machine; `message` says why, in words. */
export class NoTahoe extends Error {
  override readonly name: string = 'NoTahoe';
}

/** The path of a `tahoe` executable. @throws NoTahoe; Error when TAHOE names none. */
export async function findTahoe(say: (text: string) => void): Promise<string> {
  const named = process.env['TAHOE'];
  if (named !== undefined && named !== '') {
    if (!existsSync(named)) throw new Error(`TAHOE is ${named}, and there is no such file`);
    return named;
  }
  const cache = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  const folder = join(cache, 'nevermind', `tahoe-lafs-${VERSION}`);
  const tahoe = join(folder, 'bin', 'tahoe');
  const isComplete = join(folder, 'complete');
  if (existsSync(isComplete)) return tahoe;
  say(`installing tahoe-lafs ${VERSION} from PyPI, once`);
  await rm(folder, { recursive: true, force: true });
  await mkdir(join(folder, '..'), { recursive: true });
  await step('there is no Python 3 with venv here', 'python3', ['-m', 'venv', folder]);
  await step(`tahoe-lafs ${VERSION} cannot be installed with this Python`, join(folder, 'bin', 'pip'), [
    'install',
    '--quiet',
    '--disable-pip-version-check',
    `tahoe-lafs==${VERSION}`,
  ]);
  await writeFile(isComplete, '');
  return tahoe;

  async function step(problem: string, command: string, args: readonly string[]): Promise<void> {
    await run(command, args).catch((error: unknown) => {
      const { code, stderr = '', message } = error as { code?: string; stderr?: string; message: string };
      if (code === 'ENOENT') throw new NoTahoe(problem);
      throw new NoTahoe(`${problem}: ${stderr.trim().split('\n').at(-1) || message}`);
    });
  }
}

/** A TCP port that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** Waits until `done` says so. @throws Error that says what was waited for, after five minutes: machines are busy. */
export async function until(what: string, done: () => Promise<boolean> | boolean): Promise<void> {
  const endMs = performance.now() + 5 * 60_000;
  while (performance.now() < endMs) {
    if (await done()) return;
    await sleep(100);
  }
  throw new Error(`waited for five minutes: ${what}`);
}

const daemons = new Set<ChildProcess>();
let isGuarded = false;

/** Registered with the first daemon, later than the folder: what is registered last runs first. */
function guardDaemons(): void {
  if (isGuarded) return;
  isGuarded = true;
  atExit(() => {
    for (const daemon of daemons) daemon.kill('SIGKILL');
  });
}
// Without a listener, a signal would end this process and leave the daemons.
for (const [signal, exitCode] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  process.once(signal, () => process.exit(exitCode));
}

/** Runs a command to its end, which comes with that of this process at the latest. */
async function run(command: string, args: readonly string[]): Promise<string> {
  const running = execute(command, args);
  guardDaemons();
  daemons.add(running.child);
  return (await running.finally(() => daemons.delete(running.child))).stdout;
}

/** A process of ours, or of Tahoe-LAFS, that does not outlive this one. */
export class Daemon {
  readonly process: ChildProcess;
  output = '';

  constructor(command: string, args: readonly string[], cwd?: string) {
    this.process = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd });
    for (const stream of [this.process.stdout!, this.process.stderr!]) {
      stream.on('data', (chunk: Buffer) => {
        this.output = (this.output + chunk.toString()).slice(-20_000);
      });
    }
    guardDaemons();
    daemons.add(this.process);
    this.process.once('exit', () => daemons.delete(this.process));
  }

  get isRunning(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  /** Stops it with SIGSTOP: it vanishes without a word, as a closed laptop does. */
  freeze(): void {
    this.process.kill('SIGSTOP');
  }

  thaw(): void {
    this.process.kill('SIGCONT');
  }

  async stop(): Promise<void> {
    if (!this.isRunning) return;
    const gone = once(this.process, 'exit');
    this.process.kill('SIGCONT');
    this.process.kill('SIGTERM');
    const killed = setTimeout(() => this.process.kill('SIGKILL'), 5_000);
    await gone;
    clearTimeout(killed);
  }
}

/** How files are encoded everywhere here. */
export const ENCODING = { needed: 3, happy: 3, total: 5 } as const;

/** One node of Tahoe-LAFS, of whichever kind. */
export class TahoeNode {
  readonly folder: string;
  readonly #tahoe: string;
  #daemon: Daemon | undefined;

  constructor(tahoe: string, folder: string) {
    this.#tahoe = tahoe;
    this.folder = folder;
  }

  /** Of its process. */
  get daemon(): Daemon {
    return this.#daemon!;
  }

  async create(...args: readonly string[]): Promise<void> {
    await run(this.#tahoe, [...args, this.folder]);
  }

  start(): void {
    this.#daemon = new Daemon(this.#tahoe, ['run', '--allow-stdin-close', this.folder]);
  }

  async stop(): Promise<void> {
    await this.#daemon?.stop();
  }

  /** What a file of the node says, once it is there. */
  async text(...path: readonly string[]): Promise<string> {
    const file = join(this.folder, ...path);
    await until(`${file} is there`, () => {
      if (this.#daemon?.isRunning === false) throw new Error(`Tahoe-LAFS has stopped: ${this.daemon.output}`);
      return existsSync(file);
    });
    return (await readFile(file, 'utf8')).trim();
  }
}

/** A client of Tahoe-LAFS, by its web API. */
export class TahoeClient extends TahoeNode {
  readonly #url: string;

  constructor(tahoe: string, folder: string, port: number) {
    super(tahoe, folder);
    this.#url = `http://127.0.0.1:${port}`;
  }

  /** Waits until it is connected to so many servers. */
  async connected(servers: number): Promise<void> {
    await until(`Tahoe-LAFS's client is connected to ${servers} servers`, async () => {
      const response = await fetch(`${this.#url}/?t=json`).catch(() => undefined);
      if (response === undefined) return false;
      const status = (await response.json()) as { servers: { connection_status: string }[] };
      return status.servers.filter((one) => one.connection_status === 'connected').length >= servers;
    });
  }

  async put(bytes: Uint8Array): Promise<string> {
    return (await this.#text(await fetch(`${this.#url}/uri`, { method: 'PUT', body: bytes }))).trim();
  }

  async get(capability: string, onBytes?: (count: number) => void): Promise<Buffer> {
    const response = await fetch(`${this.#url}/uri/${encodeURIComponent(capability)}`);
    if (!response.ok) throw new Error(`Tahoe-LAFS: ${response.status} ${await response.text()}`);
    const chunks: Uint8Array[] = [];
    let count = 0;
    for await (const chunk of response.body!) {
      chunks.push(chunk as Uint8Array);
      count += (chunk as Uint8Array).length;
      onBytes?.(count);
    }
    return Buffer.concat(chunks);
  }

  async check(capability: string, verify: boolean): Promise<TahoeHealth> {
    const query = new URLSearchParams({ t: 'check', verify: String(verify), output: 'JSON' });
    const url = `${this.#url}/uri/${encodeURIComponent(capability)}?${query}`;
    const text = await this.#text(await fetch(url, { method: 'POST' }));
    return (JSON.parse(text) as { results: TahoeHealth }).results;
  }

  /** Verifies, and makes again what is missing. */
  async repair(capability: string): Promise<void> {
    const query = new URLSearchParams({ t: 'check', verify: 'true', repair: 'true', output: 'JSON' });
    const url = `${this.#url}/uri/${encodeURIComponent(capability)}?${query}`;
    const results = JSON.parse(await this.#text(await fetch(url, { method: 'POST' }))) as {
      'repair-successful': boolean;
    };
    if (!results['repair-successful'])
      throw new Error(`Tahoe-LAFS did not repair ${JSON.stringify(results)}`);
  }

  /** Asks all servers to keep the shares. */
  async addLease(capability: string): Promise<void> {
    const query = new URLSearchParams({ t: 'check', 'add-lease': 'true', output: 'JSON' });
    await this.#text(
      await fetch(`${this.#url}/uri/${encodeURIComponent(capability)}?${query}`, { method: 'POST' }),
    );
  }

  async #text(response: Response): Promise<string> {
    const text = await response.text();
    if (!response.ok) throw new Error(`Tahoe-LAFS: ${response.status} ${text.slice(0, 2000)}`);
    return text;
  }
}

/** What Tahoe-LAFS says of a file; the fields that are looked at. */
export interface TahoeHealth {
  readonly healthy: boolean;
  readonly 'count-shares-good': number;
  readonly 'count-corrupt-shares': number;
}

/** An introducer, storage nodes and a client, all of Tahoe-LAFS. */
export class TahoeGrid {
  readonly client: TahoeClient;
  readonly servers: readonly TahoeNode[];
  readonly #introducer: TahoeNode;

  private constructor(introducer: TahoeNode, servers: readonly TahoeNode[], client: TahoeClient) {
    this.#introducer = introducer;
    this.servers = servers;
    this.client = client;
  }

  /** Makes the nodes below `folder`, starts them, and waits until the client knows all servers. */
  static async start(tahoe: string, folder: string, count: number): Promise<TahoeGrid> {
    const introducer = new TahoeNode(tahoe, join(folder, 'introducer'));
    await introducer.create('create-introducer', ...(await listening()));
    introducer.start();
    const furl = await introducer.text('private', 'introducer.furl');
    const servers = Array.from({ length: count }, (_, i) => new TahoeNode(tahoe, join(folder, `s${i + 1}`)));
    await Promise.all(
      servers.map(async (server) => {
        await server.create('create-node', ...(await listening()), `--introducer=${furl}`, '--webport=none');
      }),
    );
    const client = await createClient(tahoe, join(folder, 'client'), furl);
    const grid = new TahoeGrid(introducer, servers, client);
    for (const server of servers) server.start();
    client.start();
    await client.connected(count);
    return grid;
  }

  /** The file that the client keeps its introducer's announcements in: a grid file for us. */
  async gridFile(): Promise<string> {
    const path = join(this.client.folder, 'private', 'introducer_default_cache.yaml');
    await until('all servers are announced', async () => {
      if (!existsSync(path)) return false;
      const addresses = (await readFile(path, 'utf8')).match(/#v=1/g) ?? [];
      return addresses.length >= this.servers.length;
    });
    return path;
  }

  async stop(): Promise<void> {
    await Promise.all([this.client, ...this.servers, this.#introducer].map((node) => node.stop()));
  }
}

/** A client with a web port of its own; without an introducer, it knows its `private/servers.yaml` only. */
export async function createClient(tahoe: string, folder: string, introducer = ''): Promise<TahoeClient> {
  const port = await freePort();
  const { needed, happy, total } = ENCODING;
  const client = new TahoeClient(tahoe, folder, port);
  const shares = [`--shares-needed=${needed}`, `--shares-happy=${happy}`, `--shares-total=${total}`];
  const web = `--webport=tcp:${port}:interface=127.0.0.1`;
  await client.create('create-client', `--introducer=${introducer}`, web, ...shares);
  return client;
}

/** Flips a bit of a block of a share file. */
export async function corruptShare(tahoe: string, file: string): Promise<void> {
  await run(tahoe, ['debug', 'corrupt-share', file]);
}

/** A share file in words, with its leases. */
export function dumpShare(tahoe: string, file: string): Promise<string> {
  return run(tahoe, ['debug', 'dump-share', file]);
}

async function listening(): Promise<string[]> {
  const port = await freePort();
  return ['--listen=tcp', `--port=tcp:${port}:interface=127.0.0.1`, `--location=tcp:127.0.0.1:${port}`];
}
