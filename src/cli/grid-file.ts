// The grid file: which storage servers there are. YAML or JSON, described for users in spec/grid-file.md.
// Finding it (flag, environment, XDG folder) is here too; connecting to the servers is not.

import { createReadStream } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { type Document, isNode, LineCounter, parseDocument } from 'yaml';
import { base32Decode } from '../base/base32.ts';
import { formatNurl, isHttpAddress, NurlError, parseNurl } from '../gbs/nurl.ts';
import { formatAddress, parseAddress, printableAddress } from '../transport/address.ts';
import { RpcError } from '../transport/error.ts';
import { fileProblem, isErrnoException, usageError } from './failure.ts';
import type { CliEnv } from './io.ts';
import { type Announcements, readAnnouncements } from './tahoe-announcements.ts';
import { quoteName } from './units.ts';

/** One storage server of a grid. */
export interface GridServer {
  /** `nm://KEY@HOST:PORT/SWISSNUM`, or `pb://…#v=1` for a server that speaks Tahoe-LAFS's HTTP protocol. */
  readonly address: string;
  /** Its place in the permutation; without one, what its address gives. */
  readonly permutationSeed: Uint8Array | undefined;
  /** Asked before all others, for every file. */
  readonly isPreferred?: boolean | undefined;
}

/** What a grid file says. */
export interface Grid {
  /** In the file's order; at least one, no address twice. */
  readonly servers: readonly GridServer[];
}

/**
 * Reads the grid file: the one of `--grid`, else of NEVERMIND_GRID, else `nevermind/grid.yaml` in the XDG
 * configuration folder.
 * @throws CliError that names file, line and field.
 */
export async function loadGrid(flag: string | undefined, env: CliEnv): Promise<Grid> {
  const configured = flag ?? (env.NEVERMIND_GRID || undefined);
  const path = configured ?? join(configFolder(env), 'nevermind', 'grid.yaml');
  let text: string;
  try {
    text = await readGridFile(path);
  } catch (error) {
    if (!isErrnoException(error)) throw error;
    if (configured === undefined && error.code === 'ENOENT') {
      throw usageError(
        'no grid file',
        `give --grid FILE, set NEVERMIND_GRID, or write ${quoteName(path)}; it lists the servers, one "- nm://KEY@HOST:PORT/SWISSNUM" a line under "servers:"`,
      );
    }
    throw usageError(
      `the grid file cannot be read: ${fileProblem(error, path)}`,
      'give another one with --grid FILE',
    );
  }
  return parseGrid(text, path);
}

/**
 * Reads the text of a grid file; `path` is for messages only.
 * @throws CliError that names file, line and field, and says what to write instead.
 */
export function parseGrid(text: string, path: string): Grid {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
  const [syntaxError] = document.errors;
  if (syntaxError !== undefined) {
    const { line, col } = lines.linePos(syntaxError.pos[0]);
    throw gridError(path, line, `${syntaxError.message} (column ${col})`, 'correct the YAML or JSON');
  }

  const value = plainValue(document, path);
  const announcements = readAnnouncements(value);
  if (announcements !== undefined) return gridOfAnnouncements(announcements, path);
  const result = v.safeParse(GRID_SCHEMA, value, { abortPipeEarly: true });
  if (!result.success) {
    const [issue] = result.issues;
    const steps = (issue.path ?? []).map((item) => item.key as string | number);
    const [problem, instead] = issue.message.split(SEPARATOR);
    const subject = issue.type === 'strict_object' ? '' : `${fieldName(steps)} `;
    throw gridError(path, lineOf(document, lines, steps), `${subject}${problem}`, instead ?? EXAMPLE);
  }

  const servers = result.output.servers;
  const lineOfServer = (index: number): number => lineOf(document, lines, ['servers', index]);
  servers.forEach(({ address }, index) => {
    const first = servers.findIndex((other) => other.address === address);
    if (first === index) return;
    const problem = `${shownAddress(address)} is listed twice, here and on line ${lineOfServer(first)}`;
    throw gridError(path, lineOfServer(index), problem, 'list each server once');
  });
  return { servers };
}

function gridOfAnnouncements({ servers, foolscapOnly }: Announcements, path: string): Grid {
  if (servers.length > 0) return { servers };
  const problem =
    foolscapOnly === 0
      ? 'it announces no storage server'
      : `its ${foolscapOnly} storage servers have no address of the HTTP protocol (anonymous-storage-NURLs)`;
  throw gridError(path, 1, problem, 'use Tahoe-LAFS 1.19 or later on the servers, or list other ones');
}

/** The whole file; of what is none, such as a device that never ends, no more than a grid file can have. */
async function readGridFile(path: string): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    sizeBytes += chunk.length;
    if (sizeBytes > GRID_FILE_BYTES_MAX) {
      throw usageError(
        `${quoteName(path)} is no grid file: it has more than ${GRID_FILE_BYTES_MAX} bytes`,
        'give another one with --grid FILE',
      );
    }
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Room for some ten thousand servers. */
const GRID_FILE_BYTES_MAX = 1024 * 1024;

/** Between what is wrong and what to write instead, in the schema's messages. */
const SEPARATOR = '\n';

const EXAMPLE = 'write "servers:" and below it a line "  - nm://KEY@HOST:PORT/SWISSNUM" for each server';

const ADDRESS_SCHEMA = v.pipe(
  v.string(
    ({ received }) => `is ${received}, not an address${SEPARATOR}write it as nm://KEY@HOST:PORT/SWISSNUM`,
  ),
  v.check(
    (text) => normalAddress(text) !== undefined,
    ({ input }) =>
      `is ${JSON.stringify(shownAddress(input))}, not an address${SEPARATOR}${addressAdvice(input)}`,
  ),
  v.transform((text) => normalAddress(text)!),
);

const SERVER_SCHEMA = v.pipe(
  v.strictObject(
    {
      address: ADDRESS_SCHEMA,
      'permutation-seed-base32': v.optional(
        v.pipe(
          v.string(seedProblem),
          v.transform((text) => base32Decode(text.toLowerCase())),
          v.instance(Uint8Array, seedProblem),
          v.minLength(1, seedProblem),
        ),
      ),
      preferred: v.optional(
        v.boolean(`is neither true nor false${SEPARATOR}write "preferred: true", or leave it out`),
      ),
    },
    (issue) =>
      issue.expected === 'never'
        ? `unknown field ${issue.received}${SEPARATOR}a server has "address" and, if need be, "permutation-seed-base32" and "preferred"`
        : issue.received === 'undefined'
          ? `a server has no ${issue.expected}${SEPARATOR}write "address: nm://KEY@HOST:PORT/SWISSNUM"`
          : `a server is ${issue.received}${SEPARATOR}write an address, or an object with "address: nm://KEY@HOST:PORT/SWISSNUM"`,
  ),
  v.transform(
    (server): GridServer => ({
      address: server.address,
      permutationSeed: server['permutation-seed-base32'],
      ...(server.preferred && { isPreferred: true }),
    }),
  ),
);

const ENTRY_SCHEMA = v.lazy((entry) =>
  typeof entry === 'string'
    ? v.pipe(
        ADDRESS_SCHEMA,
        v.transform((address): GridServer => ({ address, permutationSeed: undefined })),
      )
    : SERVER_SCHEMA,
);

const GRID_SCHEMA = v.strictObject(
  {
    servers: v.pipe(
      v.array(ENTRY_SCHEMA, ({ input, received }) => {
        const shown = typeof input === 'string' ? JSON.stringify(shownAddress(input)) : received;
        return `is ${shown}, not a list${SEPARATOR}${EXAMPLE}`;
      }),
      v.minLength(1, `is empty${SEPARATOR}${EXAMPLE}`),
    ),
  },
  (issue) =>
    issue.expected === 'never'
      ? `unknown field ${issue.received}${SEPARATOR}${EXAMPLE}`
      : `the list "servers" is missing${SEPARATOR}${EXAMPLE}`,
);

function seedProblem(): string {
  return `is no base32${SEPARATOR}write it as the server's announcement has it, in the letters a to z and 2 to 7, or leave it out`;
}

/** In one form for each server, so that one listed twice is seen; undefined when it is no address. */
function normalAddress(text: string): string | undefined {
  try {
    return isHttpAddress(text) ? formatNurl(parseNurl(text)) : formatAddress(parseAddress(text));
  } catch (error) {
    if (error instanceof RpcError || error instanceof NurlError) return undefined;
    throw error;
  }
}

/** Of an address that is a secret, only the part that is not. */
function shownAddress(text: string): string {
  if (isHttpAddress(text)) return text.replace(/(?<=:\d+)\/.*/, '/…');
  return text.startsWith('nm:') ? printableAddress(text) : text;
}

function addressAdvice(text: string): string {
  if (isHttpAddress(text)) return `write pb://KEY@HOST:PORT/SECRET#v=1${reasonAgainst(text)}`;
  return 'write it as "nevermind node" prints it: nm://KEY@HOST:PORT/SWISSNUM';
}

function reasonAgainst(text: string): string {
  try {
    parseNurl(text);
    return '';
  } catch (error) {
    if (error instanceof NurlError) return `: ${error.message}`;
    throw error;
  }
}

function plainValue(document: Document, path: string): unknown {
  try {
    return document.toJS();
  } catch (error) {
    // Aliases of aliases of aliases: the library stops when they become too many.
    throw gridError(path, 1, String(error), 'write the servers without aliases');
  }
}

/** `servers[2].address`. */
function fieldName(steps: readonly (string | number)[]): string {
  return steps.reduce<string>(
    (name, step) => (typeof step === 'number' ? `${name}[${step}]` : name === '' ? step : `${name}.${step}`),
    '',
  );
}

/** Line of the innermost field on the way that is written down; 1 when none is. */
function lineOf(document: Document, lines: LineCounter, steps: readonly (string | number)[]): number {
  for (let depth = steps.length; depth > 0; depth--) {
    const node = document.getIn(steps.slice(0, depth), true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return 1;
}

function gridError(path: string, line: number, problem: string, instead: string): Error {
  return usageError(`${quoteName(path)}, line ${line}: ${problem}`, instead);
}

function configFolder(env: CliEnv): string {
  return env.XDG_CONFIG_HOME || join(env.HOME || homedir(), '.config');
}
