// The files that the clients of a run put on the grid and read back: while everything may fail an operation may fail,
// too, but never give wrong bytes; what was stored must be there when the network has healed.

import { concatBytes } from '../../src/base/bytes.ts';
import type { Clock } from '../../src/base/clock.ts';
import { download } from '../../src/grid/download.ts';
import { GridError } from '../../src/grid/error.ts';
import { sourceOfBytes } from '../../src/grid/source.ts';
import { upload } from '../../src/grid/upload.ts';
import type { SeededRandom } from '../../src/sim/random.ts';
import { RemoteStorageServer } from '../../src/storage/remote-server.ts';
import type { StorageServer } from '../../src/storage/storage-server.ts';
import type { ClientNode, ServerNode } from './nodes.ts';
import type { SimPlan } from './plan.ts';
import type { Findings } from './violations.ts';

/** A file that is to be stored. */
export interface FileSpec {
  readonly number: number;
  readonly client: number;
  readonly atMs: number;
  readonly sizeBytes: number;
  readonly needed: number;
  readonly happy: number;
  readonly total: number;
  readonly segmentSizeBytes: number;
  readonly waitForAll: boolean;
  readonly convergent: boolean;
  readonly cancelAfterMs: number | undefined;
  /** When it is read, after it was stored. */
  readonly readAfterMs: number;
}

export function drawFiles(plan: SimPlan, random: SeededRandom): FileSpec[] {
  return Array.from({ length: plan.files }, (_, number) => {
    const needed = random.int(1, Math.min(3, plan.servers));
    const segmentSizeBytes = random.int(300, 3000);
    return {
      number,
      client: random.int(0, plan.clients - 1),
      atMs: random.between(0, plan.safetyMs),
      sizeBytes: random.pick([
        random.pick([0, 1, 55, 56]),
        random.int(57, 4000),
        segmentSizeBytes,
        random.int(1, 4) * segmentSizeBytes + random.int(0, 40),
      ]),
      needed,
      happy: random.int(needed, plan.servers),
      total: random.int(plan.servers, plan.servers + 2),
      segmentSizeBytes,
      waitForAll: random.chance(0.3),
      convergent: random.chance(0.4),
      cancelAfterMs: random.chance(0.1) ? random.pick([0, 5, 100, 1000]) : undefined,
      readAfterMs: random.pick([0, 10, 1000, 5000]),
    };
  });
}

/** The grid as one run sees it. */
export interface GridWorld {
  readonly servers: readonly ServerNode[];
  readonly random: SeededRandom;
  readonly findings: Findings;
  /** Some server may send wrong bytes. */
  readonly mayLie: boolean;
  /** The time for new files is over. */
  isOver(): boolean;
}

interface StoredFile {
  readonly spec: FileSpec;
  readonly capability: string;
}

export class GridWorkload {
  readonly #world: GridWorld;
  readonly #specs: readonly FileSpec[];
  readonly #begun = new Set<number>();
  readonly #stored: StoredFile[] = [];
  /** Operations under way, by client. */
  readonly #open = new Map<number, Set<object>>();

  constructor(specs: readonly FileSpec[], world: GridWorld) {
    this.#specs = specs;
    this.#world = world;
  }

  /** Operations that have neither ended nor were lost with their process. */
  get open(): number {
    return [...this.#open.values()].reduce((sum, { size }) => sum + size, 0);
  }

  get stored(): number {
    return this.#stored.length;
  }

  clientCrashed(node: ClientNode): void {
    this.#open.delete(node.index);
  }

  /** Begins the operations of one client process: those whose time has not come yet. */
  start(node: ClientNode, clock: Clock): void {
    const { transport } = node;
    const remotes = this.#world.servers.map(
      ({ address }) => new RemoteStorageServer(transport!.peer(address)),
    );
    for (const spec of this.#specs) {
      if (spec.client !== node.index || spec.atMs < clock.now()) continue;
      clock.setTimer(spec.atMs - clock.now(), () => {
        if (this.#begun.has(spec.number) || this.#world.isOver()) return;
        this.#begun.add(spec.number);
        void this.#during(node, () => this.#store(spec, remotes, clock, node));
      });
    }
  }

  /** After everything has healed: each file that was stored comes back, and another one can be stored. */
  async checkAll(node: ClientNode, clock: Clock): Promise<void> {
    const { findings, random } = this.#world;
    const remotes = this.#world.servers.map(
      ({ address }) => new RemoteStorageServer(node.transport!.peer(address)),
    );
    for (const { spec, capability } of this.#stored) {
      const problem = await this.#read(spec, capability, remotes, clock);
      if (problem !== undefined)
        findings.violated('stored-file', `file ${spec.number} is stored, and now: ${problem}`);
    }
    const bytes = random.fork('last file').bytes(3000);
    try {
      const options = {
        clock,
        random: random.fork('last upload'),
        needed: 1,
        happy: remotes.length,
        total: remotes.length,
      };
      const { capability } = await upload(sourceOfBytes(bytes), remotes, {
        ...options,
        segmentSizeBytes: 1000,
      });
      const parts: Uint8Array[] = [];
      for await (const part of download(capability, remotes, { clock, random })) parts.push(part);
      if (Buffer.compare(concatBytes(parts), bytes) !== 0)
        findings.violated('right-bytes', 'the last file was changed');
    } catch (error) {
      findings.violated('grid-heals', `a file stored on a healthy grid: ${error}`);
    }
  }

  async #store(
    spec: FileSpec,
    remotes: readonly RemoteStorageServer[],
    clock: Clock,
    node: ClientNode,
  ): Promise<void> {
    const { findings, random } = this.#world;
    const { needed, happy, total, segmentSizeBytes, waitForAll, cancelAfterMs } = spec;
    const controller = new AbortController();
    if (cancelAfterMs !== undefined) clock.setTimer(cancelAfterMs, () => controller.abort(CANCELLED));
    let capability: string;
    try {
      const result = await upload(sourceOfBytes(this.#bytesOf(spec)), remotes, {
        clock,
        random: random.fork(`upload ${spec.number}`),
        needed,
        happy,
        total,
        segmentSizeBytes,
        waitForAll,
        convergence: spec.convergent ? new Uint8Array(32) : undefined,
        signal: controller.signal,
      });
      if (result.replaced.some(({ to }) => to !== undefined)) findings.saw('upload replaced a server');
      ({ capability } = result);
    } catch (error) {
      this.#checkFailure('an upload', error);
      findings.saw(error === CANCELLED ? 'upload cancelled' : 'upload failed cleanly');
      return;
    }
    findings.saw('file stored');
    this.#stored.push({ spec, capability });
    await new Promise<void>((go) => void clock.setTimer(spec.readAfterMs, go));
    await this.#during(node, () => this.#read(spec, capability, remotes, clock));
  }

  /** Says what went wrong, if anything. */
  async #read(
    spec: FileSpec,
    capability: string,
    remotes: readonly RemoteStorageServer[],
    clock: Clock,
  ): Promise<string | undefined> {
    const { findings, random, servers } = this.#world;
    const wasAway = servers.some(({ isUp, paused }) => !isUp || paused);
    const outstanding = { reads: 0 };
    const counted = remotes.map((remote) => countReads(remote, outstanding));
    const file = download(capability, counted, { clock, random: random.fork(`download ${spec.number}`) });
    const parts: Uint8Array[] = [];
    try {
      for await (const part of file) parts.push(part);
    } catch (error) {
      this.#checkFailure('a download', error);
      return `${error}`;
    } finally {
      if (file.hedges > 0) findings.saw('download hedged', file.hedges);
      this.#checkEnded(spec, outstanding, clock);
    }
    if (Buffer.compare(concatBytes(parts), this.#bytesOf(spec)) !== 0) {
      findings.violated('right-bytes', `file ${spec.number} came back changed`);
    }
    if (file.corruptions.length > 0 && this.#world.mayLie) findings.saw('wrong bytes of a server noticed');
    else if (file.corruptions.length > 0) {
      findings.violated(
        'right-bytes',
        `a share of file ${spec.number} was corrupt: ${file.corruptions[0]!.what}`,
      );
    }
    findings.saw('file read back');
    if (wasAway && spec.sizeBytes > 55) findings.saw('file read while a server was away');
    return undefined;
  }

  /** In the turn after the end of a download nothing of it may be out any more. */
  #checkEnded({ number }: FileSpec, outstanding: { readonly reads: number }, clock: Clock): void {
    clock.setTimer(1, () => {
      if (outstanding.reads === 0) return;
      this.#world.findings.violated(
        'nothing-after-the-end',
        `${outstanding.reads} reads of file ${number} go on though its download has ended`,
      );
    });
  }

  #checkFailure(what: string, error: unknown): void {
    if (error === CANCELLED || (error instanceof GridError && EXPECTED.has(error.code))) return;
    // What was proven block by block decodes to what was stored, or it was not proven.
    const isLied = error instanceof GridError && error.code === 'CORRUPT' && error.cause === undefined;
    if (isLied && this.#world.mayLie) return;
    this.#world.findings.violated('failure-explained', `${what} failed with ${error}`);
  }

  #bytesOf(spec: FileSpec): Uint8Array {
    return this.#world.random.fork(`file ${spec.number}`).bytes(spec.sizeBytes);
  }

  async #during(node: ClientNode, operation: () => Promise<unknown>): Promise<void> {
    const mark = {};
    const open = this.#open.get(node.index) ?? new Set();
    this.#open.set(node.index, open);
    open.add(mark);
    await operation();
    open.delete(mark);
  }
}

/** The same server; counts its reads that are out. */
function countReads(server: StorageServer, outstanding: { reads: number }): StorageServer {
  return new Proxy(server, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      if (name !== 'read') return member.bind(target);
      return (...args: Parameters<StorageServer['read']>) => {
        outstanding.reads++;
        return target.read(...args).finally(() => outstanding.reads--);
      };
    },
  });
}

const CANCELLED = new Error('never mind');

/** What an operation may fail with while servers fail. */
const EXPECTED: ReadonlySet<string> = new Set(['TOO_FEW_SERVERS', 'NOT_ENOUGH_SHARES', 'NOT_FOUND']);
