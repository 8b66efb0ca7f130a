import { describe, expect, test } from 'vitest';
import { RttEstimator } from '../../src/base/rtt.ts';
import { DEFAULT_CONFIG } from '../../src/protocol/config.ts';
import { type SentItem, SentPackets } from '../../src/protocol/sent-packets.ts';

class Item implements SentItem {
  acked = 0;
  lost = 0;
  onAcked(): void {
    this.acked++;
  }
  onLost(): void {
    this.lost++;
  }
}

function setUp(): { sent: SentPackets; rtt: RttEstimator; send: typeof send } {
  const rtt = new RttEstimator(333);
  const sent = new SentPackets(DEFAULT_CONFIG, rtt);
  function send(sentAtMs: number, options: { mtuProbe?: boolean; ackEliciting?: boolean } = {}): Item {
    const item = new Item();
    const { mtuProbe = false, ackEliciting = true } = options;
    sent.onSent({ sentAtMs, sizeBytes: 1000, ackEliciting, mtuProbe, items: [item] });
    return item;
  }
  return { sent, rtt, send };
}

describe('SentPackets', () => {
  // P-6
  test('numbers rise by one with each packet, whatever is in it', () => {
    const { sent, send } = setUp();
    send(0);
    send(0, { ackEliciting: false });
    send(0, { mtuProbe: true });
    expect(sent.nextNumber).toBe(3);
  });

  test('counts what is in flight: not pure acknowledgements, and probes for the size only as packets', () => {
    const { sent, send } = setUp();
    send(0);
    send(1, { ackEliciting: false });
    send(2, { mtuProbe: true });
    expect(sent.bytesInFlight).toBe(1000);
    expect(sent.ackElicitingInFlight).toBe(2);
    expect(sent.lastAckElicitingAtMs).toBe(2);
    sent.onAck([[0, 2]], 10);
    expect(sent.bytesInFlight).toBe(0);
    expect(sent.ackElicitingInFlight).toBe(0);
  });

  test('an ACK tells the items of its packets, once', () => {
    const { sent, send } = setUp();
    const items = [send(0), send(0), send(0)];
    expect(
      sent
        .onAck(
          [
            [2, 2],
            [0, 0],
          ],
          10,
        )
        ?.acked.map((packet) => packet.packetNumber),
    ).toEqual([2, 0]);
    expect(sent.onAck([[0, 2]], 11)?.acked.map((packet) => packet.packetNumber)).toEqual([1]);
    expect(items.map((item) => item.acked)).toEqual([1, 1, 1]);
  });

  // P-62
  test('an ACK of a packet that was never sent is refused as a whole', () => {
    const { sent, send } = setUp();
    const item = send(0);
    expect(sent.onAck([[0, 1]], 10)).toBeUndefined();
    expect(item.acked).toBe(0);
    expect(sent.ackElicitingInFlight).toBe(1);
    // Its largest number does not count either: nothing is lost by it.
    expect(sent.detectLost(10_000)).toEqual([]);
  });

  test('an ACK of all numbers that there could be costs no more than what is in flight', () => {
    const { sent, send } = setUp();
    for (let i = 0; i < 5; i++) send(0);
    expect(sent.onAck([[0, Number.MAX_SAFE_INTEGER]], 10)).toBeUndefined();
    expect(sent.onAck([[0, 4]], 10)?.acked).toHaveLength(5);
  });

  // P-61
  test('gives a round-trip time only when the largest number is newly acknowledged', () => {
    const { sent, send } = setUp();
    for (const atMs of [100, 110, 120]) send(atMs);
    expect(sent.onAck([[1, 1]], 150)?.rttSampleMs).toBe(40);
    expect(sent.onAck([[0, 1]], 160)?.rttSampleMs).toBeUndefined();
    expect(sent.onAck([[0, 2]], 170)?.rttSampleMs).toBe(50);
  });

  // P-63
  test('a packet is lost when the third one after it is acknowledged, not the second', () => {
    const { sent, send } = setUp();
    const items = [0, 1, 2, 3].map(() => send(0));
    sent.onAck([[2, 2]], 1);
    expect(sent.detectLost(1)).toEqual([]);
    sent.onAck([[3, 3]], 1);
    expect(sent.detectLost(1).map((packet) => packet.packetNumber)).toEqual([0]);
    expect(items.map((item) => item.lost)).toEqual([1, 0, 0, 0]);
  });

  // P-63
  test('a packet before an acknowledged one is lost 9/8 of a round trip after it was sent', () => {
    const { sent, rtt, send } = setUp();
    rtt.update(80, 0);
    const item = send(1000);
    send(1010);
    sent.onAck([[1, 1]], 1080);
    expect(sent.detectLost(1080)).toEqual([]);
    expect(sent.lossAtMs).toBe(1090);
    expect(sent.detectLost(1089.9)).toEqual([]);
    expect(sent.detectLost(1090)).toHaveLength(1);
    expect(item.lost).toBe(1);
    expect(sent.lossAtMs).toBe(Number.POSITIVE_INFINITY);
    expect(sent.bytesInFlight).toBe(0);
  });

  // P-63: RFC 9002, 6.1.2: the larger of smoothed and latest.
  test('the latest round trip counts if it is longer than the smoothed one', () => {
    const { sent, rtt, send } = setUp();
    rtt.update(80, 0);
    rtt.update(160, 0);
    send(1000);
    send(1000);
    sent.onAck([[1, 1]], 1001);
    sent.detectLost(1001);
    expect(sent.lossAtMs).toBe(1180);
  });

  // P-63
  test('without a later acknowledgement no packet is lost, however old', () => {
    const { sent, send } = setUp();
    send(0);
    send(0);
    sent.onAck([[0, 0]], 10);
    expect(sent.detectLost(1e9)).toEqual([]);
    expect(sent.lossAtMs).toBe(Number.POSITIVE_INFINITY);
  });

  // P-66
  test('for a probe the items of the oldest packets are queued again, and not a second time when they are lost', () => {
    const { sent, send } = setUp();
    const items = [0, 1, 2, 3, 4].map(() => send(0));
    sent.requeueOldest(2);
    sent.requeueOldest(1);
    expect(items.map((item) => item.lost)).toEqual([1, 1, 1, 0, 0]);
    sent.onAck([[4, 4]], 1);
    sent.detectLost(1);
    expect(items.map((item) => item.lost)).toEqual([1, 1, 1, 0, 0]);
  });

  test('a packet that was probed for may still be acknowledged', () => {
    const { sent, send } = setUp();
    const item = send(0);
    sent.requeueOldest(1);
    expect(sent.onAck([[0, 0]], 5)?.acked).toHaveLength(1);
    expect(item.acked).toBe(1);
  });

  test('a packet whose items were queued again before it joined the session is not queued again', () => {
    const { sent, send } = setUp();
    const item = send(0);
    sent.markRequeued(0);
    sent.abandon();
    expect(item.lost).toBe(0);
  });

  test('giving the session up queues everything again and leaves nothing in flight', () => {
    const { sent, send } = setUp();
    const items = [send(0), send(0, { mtuProbe: true }), send(0)];
    sent.requeueOldest(1);
    sent.abandon();
    expect(items.map((item) => item.lost)).toEqual([1, 1, 1]);
    expect(sent).toMatchObject({
      bytesInFlight: 0,
      ackElicitingInFlight: 0,
      lossAtMs: Number.POSITIVE_INFINITY,
    });
    // The numbers go on.
    expect(sent.nextNumber).toBe(3);
  });

  // A peer that is sent nothing but acknowledgements makes room for such ranges; each took a walk along all of it.
  test('takes any number of acknowledgements of very many packets that are not in flight', () => {
    const { sent, send } = setUp();
    const first = send(0);
    for (let i = 0; i < 1_000_000; i++) send(0, { ackEliciting: false });
    for (let i = 0; i < 2000; i++) sent.onAck([[1, 999_999 - i]], 10);
    expect(first.acked).toBe(0);
    sent.onAck([[0, 999_999]], 10);
    expect(first.acked).toBe(1);
  });
});
