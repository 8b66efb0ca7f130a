// One grid, one client and the operations of a demonstration on them: put, get with SHA-256, and nodes that go, also
// in the middle. What is done in which order, and what is said about it, is in ../demo.ts.

import { createHash } from 'node:crypto';
import { download } from '../../grid/download.ts';
import { ServerRecords } from '../../grid/server-record.ts';
import type { UploadSource } from '../../grid/source.ts';
import { type UploadResult, upload } from '../../grid/upload.ts';
import type { StorageServer } from '../../storage/storage-server.ts';
import { printableAddress } from '../../transport/address.ts';
import { EXIT } from '../exit-codes.ts';
import { CliError } from '../failure.ts';
import type { GridConnection } from '../network.ts';
import type { Progress } from '../progress-tracker.ts';
import { timeLimit } from '../time-limit.ts';
import { formatDuration } from '../units.ts';
import type { Fleet, FleetNode } from './fleet.ts';
import type { DemoPlan } from './plan.ts';
import { type Operation, RecordingServer } from './recorder.ts';
import type { Timeline, TimelinePhase } from './timeline.ts';

/** Nodes that go without a word: some right before an operation, or one in the middle of it. */
export type Loss =
  | { readonly when: 'before'; readonly how: Departure; readonly count: number }
  | { readonly when: 'midway'; readonly how: Departure };

/** How a node goes: SIGSTOP or SIGKILL. */
export type Departure = 'stopped' | 'killed';

/** What every operation tells. */
export interface Performance {
  readonly elapsedMs: number;
  /** The nodes that went. */
  readonly lost: readonly FleetNode[];
}

/** Size and SHA-256 of a file. */
export interface FileDigest {
  readonly sizeBytes: number;
  /** In hexadecimal. */
  readonly sha256: string;
}

/** What a {@link Stage} is set up with. */
export interface StageOptions {
  readonly fleet: Fleet;
  /** Its servers are the fleet's nodes, in their order. */
  readonly connection: GridConnection;
  readonly plan: DemoPlan;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** A node, what the client knows it by, and what became of it. */
interface Member {
  readonly node: FleetNode;
  readonly server: RecordingServer;
  gone?: { readonly atMs: number; readonly how: Departure };
  noticedAtMs?: number;
}

/** The nodes and the client, and a record of what they did. */
export class Stage implements Disposable {
  readonly #options: StageOptions;
  readonly #members: readonly Member[];
  readonly #servers: readonly StorageServer[];
  readonly #phases: TimelinePhase[] = [];
  /** How many requests of a kind the last phase with any of them took. */
  readonly #usualCount = new Map<Operation, number>();
  /** What the gets learn of the nodes, one from the other, as in a client that lives for long. */
  readonly #records: ServerRecords;
  readonly #unsubscribe: () => void;
  /** Sees each request before it leaves. */
  #watch: (member: Member, operation: Operation) => void = () => {};

  constructor(options: StageOptions) {
    this.#options = options;
    const { connection, fleet } = options;
    this.#members = connection.servers.map((server, index) => {
      const member: Member = {
        node: fleet.nodes[index]!,
        server: new RecordingServer(server, connection.transport.clock, (operation) =>
          this.#watch(member, operation),
        ),
      };
      return member;
    });
    this.#servers = this.#members.map(({ server }) => server);
    this.#records = new ServerRecords(connection.transport.clock);
    this.#unsubscribe = connection.transport.subscribe((event) => {
      const member = this.#members.find(({ node }) => printableAddress(node.address) === event.peer);
      if (event.type === 'peer:silent' && member !== undefined) member.noticedAtMs ??= event.atMs;
    });
  }

  [Symbol.dispose](): void {
    this.#unsubscribe();
  }

  /** Everything so far, for the chart. */
  get timeline(): Timeline {
    const rows = this.#members.map(({ node, server, gone }) => ({
      label: node.name,
      requests: server.requests,
      gone,
    }));
    return { rows, phases: this.#phases };
  }

  /** How long after it had gone the client counted a node as silent; undefined when it never came to that. */
  get noticedAfterMs(): ReadonlyMap<FleetNode, number | undefined> {
    const gone = this.#members.filter((member) => member.gone !== undefined);
    return new Map(
      gone
        .toSorted((a, b) => a.gone!.atMs - b.gone!.atMs)
        .map(({ node, noticedAtMs, gone }) => [
          node,
          noticedAtMs === undefined ? undefined : noticedAtMs - gone!.atMs,
        ]),
    );
  }

  /** One put and one get that nobody counts and no chart shows. @param source more than fits in a capability. */
  async rehearse(source: UploadSource): Promise<void> {
    const { capability } = await this.put('rehearsing', source, this.#options.plan.happy);
    await this.get('rehearsing', capability, await digestOf(source.read()));
    this.#phases.length = 0;
    for (const { server } of this.#members) server.requests.length = 0;
  }

  /** Uploads under a fresh random key, so that no share is there already. */
  put(title: string, source: UploadSource, happy: number, loss?: Loss): Promise<UploadResult & Performance> {
    const { connection, plan, progress } = this.#options;
    return this.#perform(title, 'write', loss, (signal) =>
      upload(source, this.#servers, {
        needed: plan.needed,
        happy,
        total: plan.total,
        signal,
        clock: connection.transport.clock,
        random: connection.random,
        retries: connection.transport.retries,
        onProgress: ({ doneBytes, totalBytes }) => progress.advance(doneBytes, totalBytes),
      }),
    );
  }

  /** Downloads and compares. @throws CliError CORRUPT unless every byte came back. */
  get(title: string, capability: string, expected: FileDigest, loss?: Loss): Promise<Performance> {
    const { connection, progress } = this.#options;
    return this.#perform(title, 'read', loss, async (signal) => {
      const { random, transport } = connection;
      const { clock, retries } = transport;
      const options = { signal, clock, random, retries, records: this.#records };
      const bytes = download(capability, this.#servers, options);
      const found = await digestOf(bytes, (doneBytes) => progress.advance(doneBytes, expected.sizeBytes));
      if (found.sha256 !== expected.sha256 || found.sizeBytes !== expected.sizeBytes) {
        throw cameBackDifferent(found, expected);
      }
      return {};
    });
  }

  /** Runs one operation as a phase of the timeline, within a time limit, with the nodes going that are to go. */
  async #perform<Result extends object>(
    title: string,
    operation: Operation,
    loss: Loss | undefined,
    run: (signal: AbortSignal) => Promise<Result>,
  ): Promise<Result & Performance> {
    const { connection, progress, signal } = this.#options;
    const { clock } = connection.transport;
    progress.startStage(title);
    using limit = timeLimit(OPERATION_LIMIT_MS, tookTooLong(title));
    const startedAtMs = clock.now();
    const lost: FleetNode[] = [];
    if (loss?.when === 'before') lost.push(...this.#loseBusiest(loss.count, loss.how));
    const countOf = this.#countRequests(operation, (member, count) => {
      const isMiddle = count > (this.#usualCount.get(operation) ?? 0) / 2;
      if (loss?.when !== 'midway' || lost.length > 0 || !isMiddle || member.gone !== undefined) return;
      lost.push(this.#lose(member, loss.how));
    });
    try {
      const result = await run(AbortSignal.any([signal, limit.signal]));
      const endedAtMs = clock.now();
      const goneCount = this.#members.filter(({ gone }) => gone !== undefined).length;
      const note = goneCount === 0 ? 'all there' : `${goneCount} silent`;
      this.#phases.push({ title: operation === 'write' ? 'put' : 'get', note, startedAtMs, endedAtMs });
      this.#usualCount.set(operation, countOf());
      if (loss?.when === 'midway' && lost.length === 0) throw nothingLost(title);
      return { ...result, elapsedMs: endedAtMs - startedAtMs, lost };
    } finally {
      this.#watch = () => {};
    }
  }

  /** Calls back before each request of a kind, with how many there have been; returns who counts. */
  #countRequests(operation: Operation, onRequest: (member: Member, count: number) => void): () => number {
    let count = 0;
    this.#watch = (member, asked) => {
      if (asked !== operation) return;
      count++;
      onRequest(member, count);
    };
    return () => count;
  }

  /** Those that answered most reads so far go: they are missed most. */
  #loseBusiest(count: number, how: Departure): readonly FleetNode[] {
    return this.#members
      .filter(({ gone }) => gone === undefined)
      .toSorted((a, b) => readsAnswered(b) - readsAnswered(a))
      .slice(0, count)
      .map((member) => this.#lose(member, how));
  }

  #lose(member: Member, how: Departure): FleetNode {
    const { fleet, connection } = this.#options;
    if (how === 'stopped') fleet.freeze(member.node);
    else fleet.kill(member.node);
    member.gone = { atMs: connection.transport.clock.now(), how };
    return member.node;
  }
}

/** Size and SHA-256 of bytes as they come. */
export async function digestOf(
  bytes: AsyncIterable<Uint8Array>,
  onBytes: (doneBytes: number) => void = () => {},
): Promise<FileDigest> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const chunk of bytes) {
    hash.update(chunk);
    sizeBytes += chunk.length;
    onBytes(sizeBytes);
  }
  return { sizeBytes, sha256: hash.digest('hex') };
}

function readsAnswered({ server }: Member): number {
  return server.requests.filter(({ operation, answered }) => operation === 'read' && answered).length;
}

function cameBackDifferent(found: FileDigest, expected: FileDigest): CliError {
  const [came, wanted] = [found, expected].map(
    ({ sizeBytes, sha256 }) => `${sizeBytes} bytes with SHA-256 ${sha256}`,
  );
  return new CliError(`the file came back different: ${came} instead of ${wanted}`, {
    code: 'CORRUPT',
    exitCode: EXIT.corrupt,
  });
}

function tookTooLong(title: string): CliError {
  return new CliError(`"${title}" was not done after ${formatDuration(OPERATION_LIMIT_MS)}`, {
    code: 'DEMO_TOO_SLOW',
    exitCode: EXIT.other,
    next: 'run it again when the machine is less busy, or with a smaller --file',
  });
}

function nothingLost(title: string): CliError {
  return new CliError(`"${title}" was over before a node could be taken away`, {
    code: 'DEMO_NOTHING_LOST',
    exitCode: EXIT.other,
    next: 'run it with a larger --file',
  });
}

/** Many times what an operation takes; the first that takes longer ends the demonstration. */
const OPERATION_LIMIT_MS = 30_000;
