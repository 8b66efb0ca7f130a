import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  chunksOf,
  SourceError,
  segmentsOf,
  sourceOfBytes,
  type UploadSource,
} from '../../src/grid/source.ts';

/** Gives these chunks, whatever it says of its size. */
function chunkedSource(chunks: readonly Uint8Array[], sizeBytes?: number): UploadSource {
  const whole = Buffer.concat(chunks);
  return {
    sizeBytes: sizeBytes ?? whole.length,
    async *read(fromByte = 0) {
      let at = 0;
      for (const chunk of chunks) {
        const skipped = Math.max(0, Math.min(chunk.length, fromByte - at));
        at += chunk.length;
        yield chunk.subarray(skipped);
      }
    },
  };
}

async function collect<T>(values: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const value of values) all.push(value);
  return all;
}

describe('the segments of a source', () => {
  it('are the source cut anew, whatever its chunks, from any segment', async () => {
    const chunks = fc.array(fc.uint8Array({ maxLength: 30 }), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(
        chunks,
        fc.integer({ min: 1, max: 40 }),
        fc.nat(5),
        async (given, sizeBytes, wanted) => {
          const whole = Uint8Array.from(Buffer.concat(given));
          const count = Math.ceil(whole.length / sizeBytes);
          const from = Math.min(wanted, Math.max(0, count - 1));
          const segments = await collect(segmentsOf(chunkedSource(given), sizeBytes, from));
          expect(segments.map(({ index }) => index)).toEqual(
            Array.from({ length: count - from }, (_, index) => from + index),
          );
          for (const { index, bytes } of segments) {
            expect(Uint8Array.from(bytes)).toEqual(
              whole.subarray(index * sizeBytes, (index + 1) * sizeBytes),
            );
          }
        },
      ),
    );
  });

  it('of an empty source are none', async () => {
    expect(await collect(segmentsOf(sourceOfBytes(new Uint8Array(0)), 10))).toEqual([]);
  });

  it('are not copied when a chunk holds them whole', async () => {
    const bytes = new Uint8Array(30);
    for (const segment of await collect(segmentsOf(sourceOfBytes(bytes), 10))) {
      expect(segment.bytes.buffer).toBe(bytes.buffer);
    }
  });

  it('do not share memory with each other when they were put together', async () => {
    const source = chunkedSource([new Uint8Array(5), new Uint8Array(10), new Uint8Array(5)]);
    const [first, second] = await collect(segmentsOf(source, 10));
    first!.bytes.fill(1);
    expect(second!.bytes).toEqual(new Uint8Array(10));
  });

  it.each([
    [19, 'SOURCE_TOO_LONG'],
    [10, 'SOURCE_TOO_LONG'],
    [0, 'SOURCE_TOO_LONG'],
    [21, 'SOURCE_TOO_SHORT'],
    [30, 'SOURCE_TOO_SHORT'],
  ])('of a source of 20 bytes that says %d fail with %s', async (sizeBytes, code) => {
    const source = chunkedSource([new Uint8Array(7), new Uint8Array(13)], sizeBytes);
    const error = await collect(segmentsOf(source, 10)).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(SourceError);
    expect(error).toMatchObject({ code, message: expect.stringContaining(`${sizeBytes} bytes`) });
    await expect(collect(chunksOf(source))).rejects.toMatchObject({ code });
  });

  it('close the source when nobody wants more', async () => {
    let closed = false;
    const endless: UploadSource = {
      sizeBytes: 1000,
      async *read() {
        try {
          for (;;) yield new Uint8Array(10);
        } finally {
          closed = true;
        }
      },
    };
    for await (const _ of segmentsOf(endless, 100)) break;
    expect(closed).toBe(true);
  });
});
