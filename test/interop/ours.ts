// Our side of the interoperability tests: verbs run in this process, nodes and gateways as processes of their own.

import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { runCli } from '../../src/cli/program.ts';
import { Daemon, ENCODING, until } from './tahoe.ts';

const MAIN_FILE = join(fileURLToPath(new URL('../..', import.meta.url)), 'src/cli/main.ts');

/** What a verb said. */
export interface VerbOutcome {
  readonly exitCode: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** The same for all verbs, as it is for a user: so each renews the leases of those before. */
const LEASE_SECRET = Buffer.alloc(32, 'ours').toString('base64');

/** Runs a command line, with standard input where the verb reads one. */
export async function nevermind(
  args: readonly string[],
  stdin: Uint8Array = new Uint8Array(0),
): Promise<VerbOutcome> {
  const stdout = new Captured();
  const stderr = new Captured();
  const exitCode = await runCli(args, {
    openStdin: () => Readable.from([stdin]),
    stdout,
    stderr,
    env: { HOME: '/nonexistent', NO_COLOR: '1', NEVERMIND_LEASE_SECRET: LEASE_SECRET },
    interrupted: new AbortController().signal,
    takeHangups: () => ({ [Symbol.dispose]: () => {} }),
  });
  return { exitCode, stdout: stdout.bytes, stderr: stderr.bytes.toString() };
}

/** A verb that has to succeed. @throws Error with what it said. */
export async function succeed(args: readonly string[], stdin?: Uint8Array): Promise<Buffer> {
  const { exitCode, stdout, stderr } = await nevermind(args, stdin);
  if (exitCode !== 0) throw new Error(`nevermind ${args[0]} ended with ${exitCode}: ${stdout} ${stderr}`);
  return stdout;
}

const SHARES = [
  ['--needed', ENCODING.needed],
  ['--happy', ENCODING.happy],
  ['--total', ENCODING.total],
].flatMap(([option, count]) => [`${option}`, `${count}`]);

/** Puts a file as {@link ENCODING} has it, unless told otherwise; gives the capability. */
export async function put(file: Uint8Array, gridFile: string, more: readonly string[] = []): Promise<string> {
  return String(
    await succeed(['put', '-', ...SHARES, '--wait-for-all', ...more, '--grid', gridFile], file),
  ).trim();
}

export function get(capability: string, gridFile: string): Promise<Buffer> {
  return succeed(['get', capability, '--grid', gridFile]);
}

/** `nevermind node` or `nevermind gateway`, running. */
export class OurProcess {
  readonly daemon: Daemon;
  /** As it printed them. */
  readonly addresses: readonly string[];

  private constructor(daemon: Daemon, addresses: readonly string[]) {
    this.daemon = daemon;
    this.addresses = addresses;
  }

  /** Starts it, and waits for so many lines of addresses. */
  static async start(args: readonly string[], lines: number): Promise<OurProcess> {
    const daemon = new Daemon(process.execPath, ['--import', 'tsx', MAIN_FILE, ...args]);
    await until(`nevermind ${args[0]} tells its address`, () => {
      if (!daemon.isRunning) throw new Error(`nevermind ${args[0]} has stopped: ${daemon.output}`);
      return daemon.output.split('\n').length > lines;
    });
    return new OurProcess(daemon, daemon.output.split('\n').slice(0, lines));
  }
}

/** A grid file of our form. */
export function gridFileOf(addresses: readonly string[]): string {
  return JSON.stringify({ servers: addresses });
}

/** `private/servers.yaml` of a client of Tahoe-LAFS. It wants to see a FURL, and does not call it. */
export function serversFileOf(addresses: readonly string[]): string {
  const entries = addresses.map((address, i) => {
    // 32 bytes in base32: the last letter has one bit that counts.
    const key = `v0-${String.fromCharCode(97 + i).repeat(51)}a`;
    const furl = `pb://${'a'.repeat(32)}@tcp:127.0.0.1:1/none`;
    return [
      key,
      {
        ann: { nickname: `ours ${i}`, 'anonymous-storage-FURL': furl, 'anonymous-storage-NURLs': [address] },
      },
    ];
  });
  return JSON.stringify({ storage: Object.fromEntries(entries) });
}

class Captured extends Writable {
  readonly #chunks: Buffer[] = [];

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#chunks.push(Buffer.from(chunk));
    done();
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}
