import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DEFAULT_CONFIG, type ProtocolConfig } from '../../src/protocol/config.ts';
import { GrantBook, type Grantee } from '../../src/protocol/grants.ts';
import { IncomingMessage } from '../../src/protocol/incoming-message.ts';

const CONFIG: ProtocolConfig = {
  ...DEFAULT_CONFIG,
  initialGrantBytes: 10,
  grantAheadBytes: 100,
  maxGrantedBytes: 300,
};

class Receiver implements Grantee {
  readonly message: IncomingMessage;
  grantState: Grantee['grantState'];
  grantsSent: number[] = [];
  #at = 0;

  constructor(total: number) {
    this.message = new IncomingMessage(total, CONFIG.initialGrantBytes);
  }

  sendGrant(): void {
    this.grantsSent.push(this.message.granted);
  }

  /** The next bytes arrive, as far as granted. */
  arrive(book: GrantBook, sizeBytes: number): void {
    const end = Math.min(this.#at + sizeBytes, this.message.granted);
    if (end === this.#at) return;
    const outcome = this.message.add(this.#at, this.message.total, new Uint8Array(end - this.#at));
    this.#at = end;
    if (outcome === 'complete') book.remove(this);
    else book.update(this);
  }

  get complete(): boolean {
    return this.message.remainingBytes === 0;
  }
}

describe('GrantBook', () => {
  // P-71
  test('grants up to so much ahead of what has arrived', () => {
    const book = new GrantBook(CONFIG);
    const receiver = new Receiver(1000);
    receiver.arrive(book, 10);
    expect(receiver.grantsSent).toEqual([110]);
    expect(book.promisedBytes).toBe(100);
    // Not with every piece: when half of it is used up.
    receiver.arrive(book, 40);
    expect(receiver.grantsSent).toEqual([110]);
    receiver.arrive(book, 20);
    expect(receiver.grantsSent).toEqual([110, 170]);
  });

  test('grants the whole of what is left, and then nothing more', () => {
    const book = new GrantBook(CONFIG);
    const receiver = new Receiver(60);
    receiver.arrive(book, 10);
    expect(receiver.grantsSent).toEqual([60]);
    receiver.arrive(book, 50);
    expect(receiver.complete).toBe(true);
    expect(book.promisedBytes).toBe(0);
  });

  // P-72
  test('promises so much in all and no more', () => {
    const book = new GrantBook(CONFIG);
    const receivers = Array.from({ length: 6 }, () => new Receiver(1000));
    for (const receiver of receivers) receiver.arrive(book, 5);
    // Three have all that one may have, the others what may be sent unasked.
    expect(receivers.map((receiver) => receiver.message.granted)).toEqual([105, 105, 105, 10, 10, 10]);
    expect(book.promisedBytes).toBe(3 * 100 + 3 * 5);
  });

  // P-71
  test('what comes free goes to the message with the least missing', () => {
    const book = new GrantBook({ ...CONFIG, maxGrantedBytes: 100 });
    const [holder, long, short] = [new Receiver(105), new Receiver(5000), new Receiver(200)];
    holder.arrive(book, 5);
    expect(book.promisedBytes).toBe(100);
    long.arrive(book, 5);
    short.arrive(book, 5);
    expect([long.grantsSent, short.grantsSent]).toEqual([[], []]);
    book.remove(holder);
    expect(long.grantsSent).toEqual([]);
    expect(short.grantsSent).toHaveLength(1);
  });

  // P-72
  test('who has used up its grant may always send a little, even if all is promised to senders that have gone', () => {
    const book = new GrantBook({ ...CONFIG, maxGrantedBytes: 100 });
    const gone = new Receiver(200);
    gone.arrive(book, 5);
    const alive = new Receiver(10_000);
    for (let i = 0; i < 5; i++) alive.arrive(book, 100);
    expect(alive.grantsSent).toEqual([20, 30, 40, 50, 60]);
  });

  test('what is not wanted any more gives back what it was promised', () => {
    const book = new GrantBook(CONFIG);
    const receiver = new Receiver(1000);
    receiver.arrive(book, 10);
    book.remove(receiver);
    book.remove(receiver);
    expect(book.promisedBytes).toBe(0);
    expect(receiver.grantState).toBeUndefined();
  });

  // P-71, P-72
  test('every message arrives in the end, and the promise stays within its bound', () => {
    const arrival = fc.record({ who: fc.nat(7), sizeBytes: fc.integer({ min: 1, max: 120 }) });
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 11, max: 900 }), { minLength: 1, maxLength: 8 }),
        fc.array(arrival, { maxLength: 60 }),
        (totals, arrivals) => {
          const book = new GrantBook(CONFIG);
          const receivers = totals.map((total) => new Receiver(total));
          const boundBytes = CONFIG.maxGrantedBytes + totals.length * CONFIG.initialGrantBytes;
          for (const { who, sizeBytes } of arrivals) {
            receivers[who % receivers.length]!.arrive(book, sizeBytes);
            expect(book.promisedBytes).toBeLessThanOrEqual(boundBytes);
          }
          for (let turn = 0; receivers.some((receiver) => !receiver.complete); turn++) {
            if (turn > 200) expect.fail('some message is never granted to its end');
            for (const receiver of receivers) receiver.arrive(book, 50);
          }
          expect(book.promisedBytes).toBe(0);
        },
      ),
    );
  });
});
