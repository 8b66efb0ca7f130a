// The machines of a simulated world: servers, which keep shares on a disk and run the handlers of calls, and clients.
// Each has one process at a time, which may crash and be started again; the transports, storage servers and disks in
// them are the real ones.

import type { DatagramTransport } from '../../src/datagram/datagram-transport.ts';
import type { ProtocolConfig } from '../../src/protocol/config.ts';
import type { EndpointObserver } from '../../src/protocol/observer.ts';
import { MemoryFiles } from '../../src/sim/memory-files.ts';
import type { SimNetwork } from '../../src/sim/network.ts';
import type { SeededRandom } from '../../src/sim/random.ts';
import { addressAt, openSimTransport } from '../../src/sim/transport.ts';
import { DiskStorageServer } from '../../src/storage/disk-server.ts';
import { serveStorage } from '../../src/storage/rpc-methods.ts';
import { ProcessFiles } from './process-files.ts';
import { ShareLedger } from './share-ledger.ts';
import type { Findings } from './violations.ts';
import { WatchedServer } from './watched-server.ts';

/** What all machines of a world share. */
export interface NodeWorld {
  readonly network: SimNetwork;
  readonly findings: Findings;
  readonly config: Partial<ProtocolConfig>;
  nowMs(): number;
  /** The eyes inside a new process's endpoint. */
  watch(node: ServerNode | ClientNode): EndpointObserver;
}

/** What every machine can do and suffer. */
abstract class SimNode {
  readonly index: number;
  readonly host: string;
  /** Processes started so far. */
  incarnation = 0;
  transport: DatagramTransport | undefined;
  /** How often the process was paused or stalled, or its machine slept. */
  pauses = 0;
  paused = false;
  /** When it last went on after that, on the world's clock. */
  resumedAtMs: number = Number.NEGATIVE_INFINITY;
  protected readonly world: NodeWorld;
  protected readonly random: SeededRandom;

  constructor(index: number, host: string, world: NodeWorld, random: SeededRandom) {
    this.index = index;
    this.host = host;
    this.world = world;
    this.random = random;
  }

  get isUp(): boolean {
    return this.transport !== undefined;
  }

  pause(): void {
    this.#standStill('is paused');
    this.world.network.pause(this.host);
  }

  /** Its monotonic clock stops as well. */
  sleep(): void {
    this.#standStill('sleeps');
    this.world.network.sleep(this.host);
  }

  #standStill(how: string): void {
    this.pauses++;
    this.world.findings.tell?.(`${this.host} ${how}`);
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.resumedAtMs = this.world.nowMs();
    this.world.findings.tell?.(`${this.host} goes on`);
    this.world.network.resume(this.host);
  }

  /** Ends the process at once, with its memory. */
  crash(): void {
    this.world.findings.tell?.(`${this.host} crashes`);
    this.world.network.crash(this.host);
    this.transport = undefined;
    this.paused = false;
  }

  protected openTransport(observer: EndpointObserver, port?: number): DatagramTransport {
    this.incarnation++;
    this.world.findings.tell?.(`${this.host} runs process ${this.incarnation}`);
    const { network, config } = this.world;
    const random = this.random.fork(`process ${this.incarnation}`);
    this.transport = openSimTransport({ network, host: this.host, port, random, config, observer });
    return this.transport;
  }
}

/** A machine that serves: calls, and shares on its disk. */
export class ServerNode extends SimNode {
  readonly disk: MemoryFiles;
  readonly shares: ShareLedger;
  readonly diskLatencyMsMax: number;
  /** Its storage server answers reads with wrong bytes. */
  lies = false;
  storage: DiskStorageServer | undefined;
  files: ProcessFiles | undefined;
  /** Called when a process begins, before its socket receives anything. */
  onStart: (node: ServerNode) => void = () => {};

  constructor(index: number, world: NodeWorld, random: SeededRandom) {
    super(index, `10.0.0.${index + 1}`, world, random);
    this.disk = new MemoryFiles({ random: random.fork('disk') });
    this.shares = new ShareLedger(this.host, world.findings);
    this.diskLatencyMsMax = random.fork('disk latency').pick([0, 0.5, 20]);
  }

  get address(): string {
    return addressAt(this.host, PORT);
  }

  /** Starts a process; it answers when its disk has been looked through. */
  start(): void {
    const { network, findings } = this.world;
    const processClock = network.clockOf(this.host);
    const files = new ProcessFiles({
      disk: this.disk,
      clock: processClock,
      random: this.random.fork(`disk of process ${this.incarnation}`),
      latencyMsMax: this.diskLatencyMsMax,
      onPowerCut: () => {
        findings.saw('power cut in the middle of a disk operation');
        this.powerCut();
      },
    });
    this.files = files;
    const hadUnfinished = this.unfinishedUploads.length > 0;
    DiskStorageServer.open({
      folder: FOLDER,
      files,
      clock: processClock,
      unixSeconds: () => network.unixMsOf(this.host) / 1000,
      name: this.host,
    }).then(
      (storage) => this.#serve(storage, files, hadUnfinished),
      // The disk fails: somebody starts it again later.
      () => this.crash(),
    );
  }

  #serve(storage: DiskStorageServer, files: ProcessFiles, hadUnfinished: boolean): void {
    if (this.files !== files) return;
    const { findings } = this.world;
    if (this.unfinishedUploads.length > 0) {
      findings.violated('nothing-half-written', `${this.host} starts with ${this.unfinishedUploads}`);
    } else if (hadUnfinished) {
      findings.saw('half-written share gone after a restart');
    }
    this.storage = storage;
    const transport = this.openTransport(this.world.watch(this), PORT);
    serveStorage(transport, new WatchedServer(storage, this.shares, findings, () => this.lies));
    this.onStart(this);
  }

  override crash(): void {
    this.files?.kill();
    this.files = undefined;
    this.storage = undefined;
    super.crash();
  }

  /** The machine loses its power: the process, and of the disk what was not synced. */
  powerCut(): void {
    if (this.shares.size > 0) this.world.findings.saw('acknowledged share survived a power cut');
    this.crash();
    this.disk.crash();
    this.disk.restart();
  }

  /** Paths that unfinished uploads have on the disk. */
  get unfinishedUploads(): string[] {
    return this.disk.paths().filter((path) => path.includes('/incoming/'));
  }
}

/** A machine that calls. */
export class ClientNode extends SimNode {
  /** Called when a process begins. */
  onStart: (node: ClientNode) => void = () => {};
  onCrash: (node: ClientNode) => void = () => {};
  onClose: (node: ClientNode) => void = () => {};

  constructor(index: number, world: NodeWorld, random: SeededRandom) {
    super(index, `10.0.1.${index + 1}`, world, random);
  }

  start(): void {
    this.openTransport(this.world.watch(this));
    this.onStart(this);
  }

  override crash(): void {
    super.crash();
    this.onCrash(this);
  }

  /** Closes the transport, with calls outstanding, and opens another one. */
  async restart(): Promise<void> {
    const { transport } = this;
    this.transport = undefined;
    this.onClose(this);
    await transport?.close();
    if (this.transport === undefined) this.start();
  }
}

const PORT = 4820;
const FOLDER = '/node/storage';
