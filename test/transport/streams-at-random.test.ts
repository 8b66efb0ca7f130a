// Streams on a network that loses, doubles and reorders, with readers, producers, clients and servers that stop at any
// moment: whatever happens, what is read is the beginning of what was made, and nothing is left behind.

import { expect, test } from 'vitest';
import type { SeededRandom } from '../../src/sim/random.ts';
import type { AnswerStream, Peer } from '../../src/transport/transport.ts';
import { SERVER_HOST, SimPair } from '../datagram/sim-pair.ts';

/** 23: a wait that rounding had left a hundredth of a nanosecond to was waited for without end. */
const SEEDS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 23];
const STREAMS = 6;

/** What one stream of a run is, and what became of it. */
interface Story {
  readonly id: number;
  readonly chunks: readonly Uint8Array[];
  readonly isUpload: boolean;
  readonly isDownload: boolean;
  /** Chunks until the producer throws, the reader has had enough, the caller says never mind. */
  readonly throwsAfter: number;
  readonly readsOnly: number;
  readonly cancelsAfterMs: number;
  readonly slowMs: number;
  runs: number;
  readHere: Uint8Array[];
  readThere: Uint8Array[];
  endedThere: boolean;
}

test.each(SEEDS)('seed %i', async (seed) => {
  const pair = new SimPair({
    seed,
    link: {
      latencyMs: 10,
      jitterMs: 15,
      lossProbability: seed % 5 === 0 ? 0 : 0.1,
      duplicateProbability: 0.05,
    },
  });
  const random = pair.random.fork('stories');
  const stories = Array.from({ length: STREAMS }, (_, id) => draw(id, random));
  const serve = (): void =>
    pair.server.handle('stream', async (body, { upload }) => {
      const story = stories[body as number]!;
      story.runs++;
      if (!story.isDownload) {
        for await (const piece of upload!) await take(piece, story.readThere);
        story.endedThere = true;
        return 'done';
      }
      return (async function* () {
        for await (const piece of upload ?? produce(story)) {
          await pair.sleep(story.slowMs);
          yield piece;
        }
      })();
    });
  const take = async (piece: Uint8Array, into: Uint8Array[]): Promise<void> => {
    into.push(piece);
    await pair.sleep(3);
  };
  serve();
  const runs = stories.map((story) => run(pair, pair.peer, story, take));
  if (seed % 4 === 1) {
    pair.clock.setTimer(300, () => {
      pair.network.crash(SERVER_HOST);
      pair.startServer();
      serve();
    });
  }
  const outcomes = await pair.run(Promise.all(runs));
  for (const [i, outcome] of outcomes.entries()) check(stories[i]!, outcome, seed);
  await pair.pass(120_000);
  expect(pair.client.status().gauges).toMatchObject({ outstandingCalls: 0, streamPromisedBytes: 0 });
  expect(pair.server.status().gauges).toMatchObject({
    runningRequests: 0,
    servedStreams: 0,
    streamPromisedBytes: 0,
  });
  expect(await pair.close()).toEqual({ timers: 0, sockets: 0 });
});

type Outcome = 'complete' | 'enough' | { readonly error: unknown };

const PRODUCER_BROKE = new Error('the producer broke');
const ENOUGH = new Error('enough');

function draw(id: number, random: SeededRandom): Story {
  const count = random.pick([0, 1, 3, 20, 60]);
  const chunks = Array.from({ length: count }, (_, i) =>
    Buffer.alloc(random.pick([1, 100, 5000, 61_441, 90_000]), `${id}:${i} `),
  );
  const kind = random.int(1, 3);
  const rarely = (max: number): number =>
    random.chance(0.25) ? random.int(0, max) : Number.POSITIVE_INFINITY;
  return {
    id,
    chunks,
    isUpload: (kind & 1) !== 0,
    isDownload: (kind & 2) !== 0,
    throwsAfter: rarely(count),
    readsOnly: rarely(count),
    cancelsAfterMs: rarely(1500),
    slowMs: random.pick([0, 0, 20]),
    runs: 0,
    readHere: [],
    readThere: [],
    endedThere: false,
  };
}

async function* produce({ chunks, throwsAfter }: Story): AsyncGenerator<Uint8Array> {
  for (const [i, chunk] of chunks.entries()) {
    if (i === throwsAfter) throw PRODUCER_BROKE;
    yield chunk;
  }
}

async function run(
  pair: SimPair,
  peer: Peer,
  story: Story,
  take: (piece: Uint8Array, into: Uint8Array[]) => Promise<void>,
): Promise<Outcome> {
  const caller = new AbortController();
  const timer = pair.clock.setTimer(story.cancelsAfterMs, () => caller.abort(ENOUGH));
  const options = { signal: caller.signal, ...(story.isUpload && { upload: produce(story) }) };
  try {
    if (!story.isDownload) {
      expect(await peer.call('stream', story.id, options)).toBe('done');
      return 'complete';
    }
    const stream: AnswerStream = peer.stream('stream', story.id, options);
    for await (const piece of stream) {
      await take(piece, story.readHere);
      if (story.readHere.length > story.readsOnly) return 'enough';
    }
    return 'complete';
  } catch (error) {
    return { error };
  } finally {
    timer.cancel();
  }
}

function check(story: Story, outcome: Outcome, seed: number): void {
  const made = Buffer.concat(story.chunks);
  const broken = story.throwsAfter < story.chunks.length;
  expect(story.runs).toBeLessThanOrEqual(1);
  for (const read of [Buffer.concat(story.readHere), Buffer.concat(story.readThere)]) {
    expect(read.equals(made.subarray(0, read.length))).toBe(true);
  }
  const read = Buffer.concat(story.isDownload ? story.readHere : story.readThere);
  // What did not come to its end never looks as if it had.
  if (outcome === 'complete' || story.endedThere) {
    expect(broken).toBe(false);
    expect(read.length).toBe(made.length);
    return;
  }
  if (outcome === 'enough') return;
  const { error } = outcome as { error: { code?: string; detail?: { message: string } } };
  if (error === ENOUGH || error === PRODUCER_BROKE) return;
  if (error.code === 'HANDLER_FAILED') expect(error.detail?.message).toBe(PRODUCER_BROKE.message);
  else
    expect({ seed, code: error.code }).toEqual({ seed, code: seed % 4 === 1 ? 'OUTCOME_UNKNOWN' : 'none' });
}
