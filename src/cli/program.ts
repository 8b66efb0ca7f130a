// The command line's grammar: verbs, arguments, options, help. What a verb does is in its own file, loaded only
// when that verb is used, so that the program starts quickly.

import { readFileSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import { EXIT } from './exit-codes.ts';
import { type CliIo, terminalTraits } from './io.ts';
import { base64, count, size } from './options.ts';

/**
 * Runs one command line, without the name of the program, to its exit code. Never throws for what a user can do
 * wrong.
 */
export async function runCli(args: readonly string[], io: CliIo): Promise<number> {
  let exitCode: number = EXIT.ok;
  const program = grammar(io, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Help and version were asked for; everything else that commander throws is a mistake in the arguments.
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
  return exitCode;
}

type Finish = (exitCode: number) => void;

function grammar(io: CliIo, finish: Finish): Command {
  const program = new Command('nevermind')
    .description(
      'Puts files on a grid of storage nodes, and gets them back while some of the nodes are silent.',
    )
    .version(packageVersion(), '-V, --version')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      getOutHelpWidth: () => terminalTraits(io.stdout, io.env).columns,
      getErrHelpWidth: () => terminalTraits(io.stderr, io.env).columns,
      getOutHasColors: () => terminalTraits(io.stdout, io.env).colour,
      getErrHasColors: () => terminalTraits(io.stderr, io.env).colour,
    })
    .addHelpText('after', EXAMPLES);
  addPut(program, io, finish);
  addGet(program, io, finish);
  addLookAfter(program, io, finish);
  addCap(program, io, finish);
  addKey(program, io, finish);
  addNode(program, io, finish);
  addGateway(program, io, finish);
  addDemo(program, io, finish);
  return program;
}

function addPut(program: Command, io: CliIo, finish: Finish): void {
  const command = program
    .command('put')
    .description('put a file on the grid and print its capability')
    .argument('<file>', 'the file, or - for standard input');
  addGridOption(command);
  addEncodingOptions(command);
  command
    .addOption(keyOption())
    .addOption(transportOption())
    .addOption(
      new Option('--happy <servers>', 'succeed only when this many servers hold a share of their own')
        .argParser(count(1, SHARES_MAX))
        .default(7),
    )
    .option(
      '--convergence <base64>',
      'a secret: with it the same file gets the same capability, else that is random (env: NEVERMIND_CONVERGENCE)',
      base64,
    )
    .option('--wait-for-all', 'wait for every share, also those of servers that are late')
    .addOption(traceOption())
    .addOption(verboseOption())
    .option('--json', 'JSON lines on standard output, the last one a summary with the capability')
    .action(async (file, options) => finish(await (await import('./put.ts')).put(io, file, options)));
}

function addGet(program: Command, io: CliIo, finish: Finish): void {
  const command = program
    .command('get')
    .description('get a file from the grid')
    .argument('<capability>', 'what "put" printed');
  addGridOption(command);
  command
    .addOption(keyOption())
    .addOption(transportOption())
    .option('-o, --output <file>', 'where to write it; - or nothing is standard output')
    .addOption(traceOption())
    .addOption(verboseOption())
    .option('--json', 'JSON lines on standard output (with the file there: on standard error)')
    .action(async (text, options) => finish(await (await import('./get.ts')).get(io, text, options)));
}

function addLookAfter(program: Command, io: CliIo, finish: Finish): void {
  const verb = (name: string, description: string): Command => {
    const command = program
      .command(name)
      .description(description)
      .argument('<capability>', 'what "put" printed, or its verifier');
    addGridOption(command);
    return command
      .addOption(keyOption())
      .addOption(transportOption())
      .option('--add-lease', 'ask the servers to keep the shares for 31 days from now')
      .addOption(traceOption())
      .addOption(verboseOption())
      .option('--json', 'JSON lines on standard output, the last one a summary');
  };
  verb('check', 'ask the servers which shares of a file they have').action(async (text, options) =>
    finish(await (await import('./check.ts')).check(io, text, options)),
  );
  verb('verify', 'read every share of a file and prove it').action(async (text, options) =>
    finish(await (await import('./check.ts')).verify(io, text, options)),
  );
  verb('repair', 'make the missing and damaged shares of a file again').action(async (text, options) =>
    finish(await (await import('./repair.ts')).repair(io, text, options)),
  );
}

function addCap(program: Command, io: CliIo, finish: Finish): void {
  const command = program
    .command('cap')
    .description('print the capability that a file would get, without a grid')
    .argument('<file>', 'the file, or - for standard input');
  addEncodingOptions(command);
  command
    .option(
      '--convergence <base64>',
      'the secret that makes the capability repeatable (env: NEVERMIND_CONVERGENCE)',
      base64,
    )
    .action(async (file, options) => finish(await (await import('./cap.ts')).cap(io, file, options)));
}

function addKey(program: Command, io: CliIo, finish: Finish): void {
  program
    .command('key')
    .description('make a key file (or read the one that is there) and print its public key')
    .argument('<file>', 'the file; readable to its owner only')
    .action(async (file) => finish(await (await import('./key.ts')).key(io, file)));
}

function addNode(program: Command, io: CliIo, finish: Finish): void {
  program
    .command('node')
    .description('run a storage node; the first line that it prints is its address')
    .requiredOption('--dir <folder>', 'where it keeps its shares; made when it is not there')
    .addOption(
      new Option('--port <port>', 'UDP or TCP port; 0 is any free one')
        .argParser(count(0, 65_535))
        .default(0),
    )
    .option('--host <address>', 'local address to listen on', '127.0.0.1')
    .addOption(
      new Option(
        '--http <port>',
        'serve clients of Tahoe-LAFS as well, on this TCP port; prints a second address, pb://…, which is a secret',
      ).argParser(count(0, 65_535)),
    )
    .addOption(allowOption())
    .addOption(transportOption())
    .option('--read-only', 'give out the shares that are there, take no new ones and change nothing')
    .addOption(
      new Option('--reserve <bytes>', 'leave this much of the disk free for others, e.g. 10G')
        .argParser(size(0, Number.MAX_SAFE_INTEGER))
        .default(0, 'nothing'),
    )
    .option(
      '--expire-leases',
      'remove shares whose last lease has ended (31 days after it was given or renewed)',
    )
    .addOption(traceOption())
    .action(async (options) => finish(await (await import('./node.ts')).node(io, options)));
}

function addGateway(program: Command, io: CliIo, finish: Finish): void {
  program
    .command('gateway')
    .description('let clients reach a Tahoe-LAFS storage server as if it were a node; prints its address')
    .requiredOption('--server <address>', 'pb://KEY@HOST:PORT/SECRET#v=1, as the server announces itself')
    .addOption(
      new Option('--port <port>', 'UDP or TCP port; 0 is any free one')
        .argParser(count(0, 65_535))
        .default(0),
    )
    .option('--host <address>', 'local address to listen on', '127.0.0.1')
    .option(
      '--key <file>',
      'its key file, made when it is not there; without it the address changes each time',
    )
    .addOption(allowOption())
    .addOption(transportOption())
    .addOption(traceOption())
    .action(async (options) => finish(await (await import('./gateway.ts')).gateway(io, options)));
}

function addDemo(program: Command, io: CliIo, finish: Finish): void {
  program
    .command('demo')
    .description(
      'put and get a file on nodes of its own while some are stopped and killed, and show what happens',
    )
    .addOption(new Option('--nodes <count>', 'storage nodes to start').argParser(count(1, 100)).default(10))
    .addOption(
      new Option('--silent <count>', 'nodes to stop before the second get')
        .argParser(count(0, 100))
        .default(3),
    )
    .addOption(transportOption())
    .option('--file <file>', 'the file; without it, 32 MiB of the running Node executable')
    .addOption(traceOption())
    .addOption(verboseOption())
    .option('--json', 'JSON lines on standard output, the last one a summary')
    .action(async (options) => finish(await (await import('./demo.ts')).demo(io, options)));
}

function transportOption(): Option {
  return new Option('--transport <kind>', 'what carries the calls, the same for nodes and clients')
    .choices(['udp', 'tcp'])
    .default('udp');
}

function traceOption(): Option {
  return new Option('--trace <file>', 'write down every packet and call, as qlog (*.sqlog is for qvis)');
}

function allowOption(): Option {
  return new Option(
    '--allow <file>',
    'the clients that may use it, a public key a line; read again when it changes and on SIGHUP',
  );
}

function keyOption(): Option {
  return new Option('--key <file>', 'who we are to the servers, as "nevermind key" made it');
}

function verboseOption(): Option {
  return new Option('-v, --verbose', 'explain every call that failed, on standard error');
}

function addGridOption(command: Command): void {
  command.option(
    '--grid <file>',
    'which servers there are (env: NEVERMIND_GRID; else nevermind/grid.yaml in the XDG configuration folder)',
  );
}

function addEncodingOptions(command: Command): void {
  command
    .addOption(
      new Option('--needed <shares>', 'shares that are enough to get the file back')
        .argParser(count(1, SHARES_MAX))
        .default(3),
    )
    .addOption(new Option('--total <shares>', 'shares to make').argParser(count(1, SHARES_MAX)).default(10))
    .addOption(
      new Option('--segment-size <bytes>', 'largest piece that is encoded at once')
        .argParser(size(1, SEGMENT_SIZE_BYTES_MAX))
        .default(1024 * 1024, '1 MiB'),
    );
}

/** The same file from src/cli and from dist/cli. */
function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** As in tahoe/segments.ts, which is not loaded for a mere --help. */
const SHARES_MAX = 256;
const SEGMENT_SIZE_BYTES_MAX = 64 * 1024 * 1024;

const EXAMPLES = `
Examples:
  nevermind demo                                 see it work, all on this machine
  nevermind node --dir ~/storage --port 4820     run a storage node
  nevermind put photo.jpg --grid grid.yaml       prints URI:CHK:…
  tar c folder | nevermind put - --grid grid.yaml
  nevermind get URI:CHK:… -o photo.jpg --grid grid.yaml
  nevermind verify URI:CHK:… --grid grid.yaml    then, if need be, nevermind repair

A name that begins with "-" goes after "--". Exit codes: 0 done, 1 other, 2 usage, 3 not found, 4 not enough
shares, 5 too few servers, 6 corrupt, 7 partial, 130 interrupted.`;
