// What a call costs when its session is lost meanwhile, in round trips on virtual time: because the server has evicted the
// client, or has restarted, or because the client's address has changed.

import { describe, expect, test } from 'vitest';
import { SeededRandom } from '../../src/sim/random.ts';
import { openSimTransport } from '../../src/sim/transport.ts';
import { CLIENT_HOST, outcomes, SERVER_HOST, SimPair } from './sim-pair.ts';

const RTT_MS = 100;
/** Within it, nothing is decided by who came first: two transports take turns at one instant. */
const SLACK_MS = 6;

type Loss = 'evicted' | 'restarted' | 'moved';

/** A pair with a session, in which a handler may take its time. */
class World extends SimPair {
  runs = 0;
  handlerMs = 0;

  constructor() {
    super({ link: { latencyMs: RTT_MS / 2 }, config: { maxServerPeers: 1 } });
    this.serve();
  }

  serve(): void {
    const handler = async (body: unknown): Promise<unknown> => {
      this.runs++;
      if (this.handlerMs > 0) await this.sleep(this.handlerMs);
      return body;
    };
    this.server.handle('early', handler, { early: 'safe' });
    this.server.handle('careful', handler);
  }

  async lose(loss: Loss): Promise<void> {
    switch (loss) {
      case 'evicted': {
        const random = new SeededRandom('other');
        const other = openSimTransport({ network: this.network, host: '10.0.0.7', random });
        await this.run(other.peer(this.server.address).call('early', 0));
        await this.run(other.close());
        this.runs--;
        return;
      }
      case 'restarted':
        this.network.crash(SERVER_HOST);
        this.startServer();
        this.serve();
        return;
      case 'moved':
        this.network.rebind(CLIENT_HOST);
        return;
      default:
        loss satisfies never;
    }
  }

  /** What becomes of a call that is made now, and after how many round trips. */
  async call(
    method: string,
    idempotent: boolean,
  ): Promise<{ outcome: unknown; tookMs: number; runs: number }> {
    this.runs = 0;
    const startedAtMs = this.clock.now();
    const [outcome] = await this.run(outcomes([this.peer.call(method, ANSWER, { idempotent })]));
    return { outcome, tookMs: this.clock.now() - startedAtMs, runs: this.runs };
  }
}

const ANSWER = 'answer';

/** Round trips, and nothing but them. */
function roundTrips(count: number): unknown {
  return expect.toSatisfy(
    (ms: number) => ms >= count * RTT_MS && ms < count * RTT_MS + SLACK_MS,
    `${count} round trips of ${RTT_MS} ms`,
  );
}

/** Answered, having run once, after so many round trips. */
const answered = (count: number): object => ({ outcome: ANSWER, runs: 1, tookMs: roundTrips(count) });
const unknown = (count: number): object => ({
  outcome: 'OUTCOME_UNKNOWN',
  runs: 0,
  tookMs: roundTrips(count),
});

test('what calls cost where nothing is lost: a first one, and those in a session', async () => {
  const world = new World();
  expect(await world.call('early', false)).toEqual(answered(1));
  expect(await world.call('careful', false)).toEqual(answered(1));
  expect(await new World().call('careful', false)).toEqual(answered(2));
});

describe('a call whose session has been lost since the last one', () => {
  /** Heard lately, or not for so long that the server may have restarted (P-59). */
  const LATELY_MS = 1000;
  const LONG_AGO_MS = 15_000;

  // A server that has forgotten costs a round trip to say so; then the call is a first one again. What has left whole
  // and may not be repeated could have run there, as far as we know.
  test.each([
    ['evicted', 'early', true, LATELY_MS, answered(2)],
    ['evicted', 'early', false, LATELY_MS, unknown(2)],
    ['evicted', 'careful', true, LATELY_MS, answered(3)],
    ['evicted', 'careful', false, LATELY_MS, unknown(2)],
    ['restarted', 'early', true, LATELY_MS, answered(2)],
    ['restarted', 'early', false, LATELY_MS, unknown(2)],
    ['restarted', 'careful', true, LATELY_MS, answered(3)],
    ['restarted', 'careful', false, LATELY_MS, unknown(2)],
    // It was held back, as this might be so: it comes to no unknown outcome.
    ['evicted', 'early', false, LONG_AGO_MS, answered(3)],
    ['evicted', 'careful', false, LONG_AGO_MS, answered(3)],
    ['restarted', 'early', false, LONG_AGO_MS, answered(3)],
    ['restarted', 'careful', false, LONG_AGO_MS, answered(3)],
    // The session goes on; the new address has to answer before more than three times the question goes there.
    ['moved', 'early', true, LATELY_MS, answered(2)],
    ['moved', 'early', false, LATELY_MS, answered(2)],
    ['moved', 'careful', true, LATELY_MS, answered(2)],
    ['moved', 'careful', false, LATELY_MS, answered(2)],
    ['moved', 'careful', false, LONG_AGO_MS, answered(2)],
  ] as const)(
    '%s: %s, idempotent: %s, heard %d ms ago',
    async (loss, method, idempotent, agoMs, expected) => {
      const world = new World();
      await world.call('careful', true);
      await world.pass(agoMs);
      await world.lose(loss);
      expect(await world.call(method, idempotent)).toEqual(expected);
    },
  );
});

describe('a call whose session is lost while its handler is at work', () => {
  const HANDLER_MS = 300;
  const LOST_AFTER_MS = 150;

  /** `sinceNoticedMs`: from the first datagram that the client sends behind the loss. */
  async function callMeanwhile(
    loss: Loss,
    idempotent: boolean,
  ): Promise<{ outcome: unknown; runs: number; sinceNoticedMs: number }> {
    const world = new World();
    await world.call('careful', true);
    await world.pass(1000);
    world.handlerMs = HANDLER_MS;
    const lostAtMs = world.clock.now() + LOST_AFTER_MS;
    world.clock.setTimer(LOST_AFTER_MS, () => void world.lose(loss));
    const { outcome, runs } = await world.call('careful', idempotent);
    const notice = world.sent.find(({ atMs, to }) => atMs >= lostAtMs && to === SERVER_HOST)!;
    return { outcome, runs, sinceNoticedMs: world.clock.now() - notice.atMs };
  }

  test.each([true, false])(
    'moved, idempotent: %s: once the client has asked (P-90), its answer takes one round trip more',
    async (idempotent) => {
      const { sinceNoticedMs, ...rest } = await callMeanwhile('moved', idempotent);
      expect(rest).toEqual({ outcome: ANSWER, runs: 1 });
      expect(sinceNoticedMs).toEqual(roundTrips(2));
    },
  );

  // An acknowledgement was on its way and found the new server: NOSESS came, and the first that is sent is INIT.
  test('restarted: what may be repeated runs again, in the session that is begun at once', async () => {
    const { sinceNoticedMs, ...rest } = await callMeanwhile('restarted', true);
    expect(rest).toEqual({ outcome: ANSWER, runs: 2 });
    expect(sinceNoticedMs - HANDLER_MS).toEqual(roundTrips(2));
  });

  test('restarted: of what may not be repeated the outcome is unknown, which the new server’s first word tells', async () => {
    const { sinceNoticedMs, ...rest } = await callMeanwhile('restarted', false);
    expect(rest).toEqual({ outcome: 'OUTCOME_UNKNOWN', runs: 1 });
    expect(sinceNoticedMs).toEqual(roundTrips(1));
  });
});
