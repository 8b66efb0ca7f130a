// What servers that vanish cost a client that has never met them: every verb over the datagram transport, on virtual
// time, each against what it takes when all answer. The bound is the one that the project promises, less a margin.

import { expect, test } from 'vitest';
import { check } from '../../src/grid/check.ts';
import { download } from '../../src/grid/download.ts';
import { GridError } from '../../src/grid/error.ts';
import { repair } from '../../src/grid/repair.ts';
import { sourceOfBytes } from '../../src/grid/source.ts';
import { type UploadResult, upload } from '../../src/grid/upload.ts';
import { verify } from '../../src/grid/verify.ts';
import { VirtualClock } from '../../src/sim/clock.ts';
import { MemoryFiles } from '../../src/sim/memory-files.ts';
import { SimNetwork } from '../../src/sim/network.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import { openSimTransport } from '../../src/sim/transport.ts';
import { DiskStorageServer } from '../../src/storage/disk-server.ts';
import { RemoteStorageServer } from '../../src/storage/remote-server.ts';
import { serveStorage } from '../../src/storage/rpc-methods.ts';
import type { StorageServer } from '../../src/storage/storage-server.ts';
import { fileOf, readAll } from './grid-fixture.ts';

const VERBS = ['upload', 'read', 'check', 'verify', 'repair'] as const;
type Verb = (typeof VERBS)[number];

const FILE = fileOf(600_000);
const SEGMENT_BYTES = 3 * 32 * 1024;

/** 3 of `count` shares on as many servers, and a client each time anew. */
class World {
  readonly clock = new VirtualClock();
  readonly network: SimNetwork;
  /** What each server does with what it is asked, before it does it. */
  readonly onAsked = new Map<string, (operation: string) => Promise<void>>();
  readonly #random = new SeededRandom('silent servers');
  readonly #count: number;
  #addresses: string[] = [];
  #clients = 0;
  capability = '';

  constructor(count: number, latencyMs: number) {
    this.#count = count;
    this.network = new SimNetwork({
      clock: this.clock,
      random: this.#random.fork('net'),
      link: { latencyMs },
    });
  }

  static async open(count: number, latencyMs = 2): Promise<World> {
    const world = new World(count, latencyMs);
    for (let i = 0; i < count; i++) await world.#serve(hostOf(i));
    world.capability = ((await world.run('upload')) as UploadResult).capability;
    return world;
  }

  async #serve(host: string): Promise<void> {
    const { clock, network } = this;
    const disk = await DiskStorageServer.open({
      folder: '/node/storage',
      files: new MemoryFiles({ random: this.#random.fork(`disk ${host}`) }),
      clock: network.clockOf(host),
      unixSeconds: () => 1_700_000_000 + clock.now() / 1000,
      name: host,
    });
    const transport = openSimTransport({ network, host, port: 4820, random: this.#random.fork(host) });
    serveStorage(
      transport,
      new Proxy(disk, {
        get: (target, name) => {
          const member: unknown = Reflect.get(target, name, target);
          if (typeof member !== 'function') return member;
          return async (...args: unknown[]) => {
            await this.onAsked.get(host)?.(String(name));
            return Reflect.apply(member, target, args) as unknown;
          };
        },
      }),
    );
    this.#addresses.push(transport.address);
  }

  /** The verb by a client that knows nothing yet. */
  async run(verb: Verb, happy = 3): Promise<unknown> {
    const random = this.#random.fork(`client ${++this.#clients}`);
    const { network, capability } = this;
    const client = openSimTransport({ network, host: `10.0.1.${this.#clients}`, random });
    const servers = this.#addresses.map((address) => new RemoteStorageServer(client.peer(address)));
    const options = { clock: client.clock, random, retries: client.retries };
    const shares = { needed: 3, happy, total: this.#count, segmentSizeBytes: SEGMENT_BYTES };
    const bodies: Record<Verb, (servers: readonly StorageServer[]) => Promise<unknown>> = {
      upload: (all) => upload(sourceOfBytes(FILE), all, { ...options, ...shares }),
      read: async (all) => {
        const bytes = await readAll(download(capability, all, options));
        expect(Buffer.compare(bytes, FILE)).toBe(0);
      },
      check: (all) => check(capability, all, options),
      verify: (all) => verify(capability, all, options),
      repair: (all) => repair(capability, all, options),
    };
    try {
      return await this.clock.runUntil(bodies[verb](servers), 600_000);
    } finally {
      await this.clock.runUntil(client.close());
    }
  }

  async timed(verb: Verb): Promise<number> {
    const startMs = this.clock.now();
    await this.run(verb);
    return this.clock.now() - startMs;
  }

  /** Lets them go on, and be found again. */
  async resume(hosts: readonly string[]): Promise<void> {
    this.onAsked.clear();
    for (const host of hosts) this.network.resume(host);
    await this.clock.run({ forMs: 10_000 });
  }
}

function hostOf(i: number): string {
  return `10.0.0.${i + 1}`;
}

/** They vanish together, when the `nth` request has come to one of them. */
function freezeAtRequest(world: World, hosts: readonly string[], nth: number): void {
  let requests = 0;
  for (const host of hosts) {
    world.onAsked.set(host, async () => {
      if (++requests === nth) for (const each of hosts) world.network.pause(each);
    });
  }
}

for (const [count, silent] of [
  [5, 1],
  [10, 3],
] as const) {
  const hosts = Array.from({ length: silent }, (_, i) => hostOf(2 * i));
  for (const verb of VERBS) {
    test(`${silent} of ${count} silent servers cost a fresh client's ${verb} less than is promised`, async () => {
      const world = await World.open(count);
      const boundMs = 1.5 * (await world.timed(verb)) + 450;
      for (const host of hosts) world.network.pause(host);
      expect(await world.timed(verb)).toBeLessThanOrEqual(boundMs);
      await world.resume(hosts);
      for (const nth of [1, 2, 3, 5, 8]) {
        freezeAtRequest(world, hosts, nth);
        expect(await world.timed(verb), `request ${nth}`).toBeLessThanOrEqual(boundMs);
        await world.resume(hosts);
      }
    });
  }
}

test('far servers are waited for as long as far servers take, silent ones among them not much longer', async () => {
  for (const verb of ['upload', 'read', 'check', 'verify'] as const) {
    const world = await World.open(5, 150);
    const healthyMs = await world.timed(verb);
    world.network.pause(hostOf(1));
    expect(await world.timed(verb), verb).toBeLessThanOrEqual(1.5 * healthyMs + 450);
  }
});

test('a server that takes seconds for everything costs no more than one that is silent', async () => {
  for (const verb of ['upload', 'read', 'check', 'verify'] as const) {
    const world = await World.open(5);
    const healthyMs = await world.timed(verb);
    const { clock } = world;
    world.onAsked.set(hostOf(3), () => new Promise((resolve) => void clock.setTimer(2000, resolve)));
    expect(await world.timed(verb), verb).toBeLessThanOrEqual(1.5 * healthyMs + 450);
  }
});

test('what a fresh client waits for who is silent from the beginning, it spends on the others', async () => {
  const world = await World.open(5);
  const healthyMs = await world.timed('upload');
  world.network.pause(hostOf(4));
  const startMs = world.clock.now();
  const result = (await world.run('upload')) as UploadResult;
  expect(result.happiness).toBe(4);
  expect(result.placements.length).toBe(5);
  expect(world.clock.now() - startMs).toBeLessThanOrEqual(healthyMs + 200);
});

test('two frozen servers where each is needed: an upload says within seconds who does not answer', async () => {
  const world = await World.open(5);
  const hosts = [hostOf(0), hostOf(3)];
  for (const [when, freeze] of [
    ['from the beginning', () => hosts.forEach((host) => void world.network.pause(host))],
    ['after they have taken a share', () => freezeAtRequest(world, hosts, 3)],
  ] as const) {
    freeze();
    const startMs = world.clock.now();
    const error = await world.run('upload', 4).then(
      () => undefined,
      (reason: unknown) => reason as GridError,
    );
    expect(error, when).toBeInstanceOf(GridError);
    expect(error!.code).toBe('TOO_FEW_SERVERS');
    expect(error!.message).toContain('only 3 of the 4 servers');
    expect(error!.servers.filter(({ outcome }) => /answer|silent/.test(outcome)).length).toBe(2);
    expect(world.clock.now() - startMs).toBeLessThan(6000);
    await world.resume(hosts);
  }
});
