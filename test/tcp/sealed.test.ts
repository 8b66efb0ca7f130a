// What a stranger, a guesser, a recorder and a meddler get of a TCP endpoint: nothing, and no byte.

import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { generateIdentity, swissnumOf } from '../../src/session/identity.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import type { ByteStream } from '../../src/tcp/byte-stream.ts';
import { RECORD_PLAIN_BYTES_MAX, RecordOpener, RecordSealer } from '../../src/tcp/records.ts';
import { capabilityOf } from '../../src/tcp/sealed-stream.ts';
import { formatAddress, parseAddress } from '../../src/transport/address.ts';
import { outcomes, SERVER, TcpPair } from './tcp-pair.ts';

const PREFACE = Uint8Array.of(0x6e, 0x76, 0x6d, 0x74, 0x63, 0x70, 0x00, 0x02);
const HELLO_BYTES = 120;

/** Bytes to the server's port from somebody without its address; what comes back. */
async function strange(pair: TcpPair, bytes: Uint8Array): Promise<{ received: number; closed: boolean }> {
  const stream = pair.dialBare();
  const result = { received: 0, closed: false };
  stream.onOpen = () => stream.write([bytes]);
  stream.onBytes = ({ length }) => {
    result.received += length;
  };
  stream.onClosed = () => {
    result.closed = true;
  };
  await pair.pass(100);
  return result;
}

/** Everything that one end writes is seen, and may be changed, on its way. */
function tap(pair: TcpPair, change: (bytes: Uint8Array) => Uint8Array): void {
  const accept = pair.net.listen.bind(pair.net);
  pair.net.listen = (host, port) => {
    const network = accept(host, port);
    const connect = network.connect.bind(network);
    network.connect = (to): ByteStream => {
      const stream = connect(to);
      const write = stream.write.bind(stream);
      stream.write = (parts) => write([change(Buffer.concat(parts))]);
      return stream;
    };
    return network;
  };
}

describe('a port without its address', () => {
  test.each([
    ['a browser', Buffer.from('GET / HTTP/1.1\r\nHost: example.net\r\n\r\n')],
    ['TLS', Buffer.from('16030100f8010000f4', 'hex')],
    ['the preface of version 1', Uint8Array.of(...PREFACE.subarray(0, 7), 1)],
    ['the right preface and noise', Buffer.concat([PREFACE, new SeededRandom(3).bytes(HELLO_BYTES)])],
    ['a key of low order', Buffer.concat([PREFACE, new Uint8Array(HELLO_BYTES - PREFACE.length)])],
  ])('gives %s no byte, and hangs up', async (_name, bytes) => {
    const pair = new TcpPair();
    expect(await strange(pair, bytes)).toEqual({ received: 0, closed: true });
    expect(pair.server.stats.connectionsAccepted).toBe(0);
  });

  test('gives no byte to whatever is sent, in whatever pieces', async () => {
    const pair = new TcpPair();
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.boolean(), async (noise, withPreface) => {
        const bytes = withPreface ? Buffer.concat([PREFACE, noise]) : noise;
        expect((await strange(pair, bytes)).received).toBe(0);
      }),
      { numRuns: 100 },
    );
    pair.server.handle('work', () => 'done');
    expect(await pair.run(pair.peer.call('work', null))).toBe('done');
  });

  test('keeps those who say nothing for five seconds, and no more than a thousand of them', async () => {
    const pair = new TcpPair({ config: { maxHandshakes: 3 } });
    const streams = Array.from({ length: 5 }, () => pair.dialBare());
    const closed = streams.map(() => false);
    streams.forEach((stream, index) => {
      stream.onClosed = () => {
        closed[index] = true;
      };
    });
    await pair.pass(100);
    expect(closed).toEqual([true, true, false, false, false]);
    await pair.pass(5_000);
    expect(closed).toEqual([true, true, true, true, true]);
  });
});

describe('a client', () => {
  test('with another swissnum, or that is not on the list, is told UNAUTHORIZED, and nothing runs', async () => {
    const pair = new TcpPair();
    let runs = 0;
    pair.server.handle('work', () => ++runs);
    const address = parseAddress(pair.server.address);
    const guesser = pair.client.peer(formatAddress({ ...address, swissnum: 'guessed' }));
    expect(await pair.run(outcomes([guesser.call('work', null)]))).toEqual(['UNAUTHORIZED, executed: no']);
    pair.allows = () => false;
    expect(await pair.run(outcomes([pair.peer.call('work', null)]))).toEqual(['UNAUTHORIZED, executed: no']);
    expect(runs).toBe(0);
    pair.allows = () => true;
    expect(await pair.run(pair.peer.call('work', null))).toBe(1);
  });

  test('that is taken from the list is out with its next request, connected or not', async () => {
    const pair = new TcpPair();
    const asked: string[] = [];
    pair.allows = (key) => asked.push(key) < 4;
    pair.server.handle('work', () => 'done');
    expect(await pair.run(outcomes([pair.peer.call('work', 1)]))).toEqual(['done']);
    expect(await pair.run(outcomes([pair.peer.call('work', 2)]))).toEqual(['done']);
    expect(await pair.run(outcomes([pair.peer.call('work', 3)]))).toEqual(['UNAUTHORIZED, executed: no']);
    expect(new Set(asked)).toEqual(new Set([parseAddress(pair.client.address).swissnum && asked[0]]));
    expect(asked[0]).toMatch(/^[\w-]{43}$/);
  });

  test('of another server’s key gets no answer from this one', async () => {
    const pair = new TcpPair();
    pair.server.handle('work', () => 'done');
    const other = generateIdentity(new SeededRandom(7));
    const { hosts } = parseAddress(pair.server.address);
    const peer = pair.client.peer(
      formatAddress({ key: other.publicKey, hosts, swissnum: swissnumOf(other) }),
    );
    expect(await pair.run(outcomes([peer.call('work', null)]))).toEqual(['PEER_SILENT, executed: no']);
  });

  test('that calls a key of low order, which is nobody’s, is told so', async () => {
    const pair = new TcpPair();
    const address = parseAddress(pair.server.address);
    const call = async (): Promise<unknown> =>
      pair.client.peer(formatAddress({ ...address, key: new Uint8Array(32) })).call('work', null);
    expect(await pair.run(outcomes([call()]))).toEqual(['BAD_ARGUMENT, executed: no']);
  });

  test('finds its server at the second of its hosts', async () => {
    const pair = new TcpPair();
    pair.server.handle('work', () => 'done');
    const address = parseAddress(pair.server.address);
    const nowhere = { host: SERVER, port: 9 };
    const peer = pair.client.peer(formatAddress({ ...address, hosts: [nowhere, ...address.hosts] }));
    expect(await pair.run(peer.call('work', null))).toBe('done');
  });
});

describe('whoever sits in between', () => {
  test('and repeats a recorded connection runs nothing, and gets no more than a handshake', async () => {
    const pair = new TcpPair();
    let runs = 0;
    pair.server.handle('work', () => ++runs);
    const recorded: Uint8Array[] = [];
    tap(pair, (bytes) => {
      recorded.push(bytes);
      return bytes;
    });
    const client = pair.open('10.0.0.3');
    await pair.run(client.peer(pair.server.address).call('work', null));
    expect(recorded.length).toBeGreaterThan(1);
    await strange(pair, Buffer.concat(recorded));
    const stream = pair.dialBare();
    let received = 0;
    stream.onOpen = () => stream.write([recorded[0]!]);
    stream.onBytes = ({ length }) => {
      received += length;
      if (received === length) stream.write(recorded.slice(1));
    };
    await pair.pass(1000);
    expect(runs).toBe(1);
    expect(received).toBeLessThanOrEqual(2 * HELLO_BYTES);
  });

  test('and repeats a recorded handshake, however often, holds no connection and keeps nobody out', async () => {
    const pair = new TcpPair({ config: { maxConnections: 3 } });
    pair.server.handle('work', () => 'done');
    const recorded: Uint8Array[] = [];
    tap(pair, (bytes) => {
      recorded.push(bytes);
      return bytes;
    });
    const client = pair.open('10.0.0.3');
    await pair.run(client.peer(pair.server.address).call('work', null));
    for (let i = 0; i < 10; i++) {
      const stream = pair.dialBare();
      // What follows the handshake is never sealed.
      stream.onOpen = () => stream.write([recorded[0]!]);
    }
    await pair.pass(100);
    expect(pair.server.stats.connectionsAccepted).toBe(1);
    expect(await pair.run(outcomes([pair.peer.call('work', null)]))).toEqual(['done']);
    await pair.pass(10_000);
    expect(pair.server.status().gauges.acceptedConnections).toBe(2);
  });

  test('reads neither method nor body', async () => {
    const pair = new TcpPair();
    pair.server.handle('recognisable', () => 'done');
    const written: Uint8Array[] = [];
    tap(pair, (bytes) => {
      written.push(bytes);
      return bytes;
    });
    const client = pair.open('10.0.0.3');
    await pair.run(client.peer(pair.server.address).call('recognisable', 'plain text'));
    const all = Buffer.concat(written);
    expect(all.includes('recognisable') || all.includes('plain text')).toBe(false);
  });

  test('and changes any byte ends the connection: nothing is answered that was not asked', async () => {
    for (let changed = 0; changed < 400; changed += 7) {
      const pair = new TcpPair();
      const bodies: unknown[] = [];
      pair.server.handle('echo', (body) => {
        bodies.push(body);
        return body;
      });
      let seen = 0;
      tap(pair, (bytes) => {
        const at = changed - seen;
        seen += bytes.length;
        if (at < 0 || at >= bytes.length) return bytes;
        const other = Uint8Array.from(bytes);
        other[at]! ^= 1;
        return other;
      });
      const client = pair.open('10.0.0.3');
      const call = client.peer(pair.server.address).call('echo', 'x'.repeat(200), { idempotent: true });
      expect(['x'.repeat(200)]).toEqual(await pair.run(outcomes([call])));
      expect(new Set(bodies)).toEqual(new Set(['x'.repeat(200)]));
    }
  });
});

describe('records', () => {
  const key = new SeededRandom(1).bytes(32);

  test('are what another implementation of RFC 8439 opens, numbered in order', () => {
    const sealer = new RecordSealer(key);
    for (const [number, text] of ['first', 'second'].entries()) {
      const record = sealer.seal([Buffer.from(text)]);
      const nonce = new Uint8Array(12);
      nonce[4] = number;
      const plain = chacha20poly1305(key, nonce, record.subarray(0, 2)).decrypt(record.subarray(2));
      expect(Buffer.from(plain).toString()).toBe(text);
    }
  });

  test('give the bytes back, in whatever parts written and in whatever pieces read', () => {
    const part = fc.uint8Array({ maxLength: 2000 });
    fc.assert(
      fc.property(
        fc.array(fc.array(part, { maxLength: 5 }), { maxLength: 5 }),
        fc.integer({ min: 1, max: 5000 }),
        (writes, step) => {
          const sealer = new RecordSealer(key);
          const opener = new RecordOpener(key);
          const sealed = Buffer.concat(writes.map((parts) => sealer.seal(parts)));
          const opened: Uint8Array[] = [];
          for (let at = 0; at < sealed.length; at += step) {
            opener.push(sealed.subarray(at, at + step));
            for (let plain = opener.next(); plain !== undefined; plain = opener.next()) {
              if (plain === 'forged') throw new Error('forged');
              opened.push(Uint8Array.from(plain));
            }
          }
          expect(Buffer.concat(opened).equals(Buffer.concat(writes.flat()))).toBe(true);
        },
      ),
    );
  });

  test('of more than one record’s size are several', () => {
    const bytes = new SeededRandom(2).bytes(RECORD_PLAIN_BYTES_MAX + 1);
    const sealed = new RecordSealer(key).seal([bytes]);
    expect(sealed.length).toBe(bytes.length + 2 * 18);
    const opener = new RecordOpener(key);
    opener.push(sealed);
    expect([opener.next()?.length, opener.next()?.length, opener.next()]).toEqual([
      RECORD_PLAIN_BYTES_MAX,
      1,
      undefined,
    ]);
  });

  test('that are repeated, left out, swapped or cut short cannot be opened', () => {
    const seal = (): Uint8Array[] => {
      const sealer = new RecordSealer(key);
      return ['a', 'b', 'c'].map((text) => sealer.seal([Buffer.from(text)]));
    };
    const read = (records: readonly Uint8Array[]): unknown[] => {
      const opener = new RecordOpener(key);
      opener.push(Buffer.concat(records));
      const found: unknown[] = [];
      for (;;) {
        const next = opener.next();
        found.push(next instanceof Uint8Array ? Buffer.from(next).toString() : next);
        if (!(next instanceof Uint8Array)) return found;
      }
    };
    const [a, b, c] = seal() as [Uint8Array, Uint8Array, Uint8Array];
    expect(read([a, b, c])).toEqual(['a', 'b', 'c', undefined]);
    expect(read([...seal().slice(0, 1), seal()[0]!])).toEqual(['a', 'forged']);
    expect(read([seal()[0]!, seal()[2]!])).toEqual(['a', 'forged']);
    expect(read([seal()[1]!])).toEqual(['forged']);
    expect(read([seal()[0]!.subarray(0, 18)])).toEqual([undefined]);
    expect(read([Uint8Array.of(0, 16, ...new Uint8Array(16))])).toEqual(['forged']);
  });
});

test('a swissnum is shown as something of one length that tells nothing of it', () => {
  const identity = generateIdentity(new SeededRandom(5));
  const shown = ['a', 'b'.repeat(128)].map((swissnum) => capabilityOf(identity.publicKey, swissnum));
  expect(shown.map(({ length }) => length)).toEqual([16, 16]);
  expect(shown[0]).not.toEqual(shown[1]);
});
