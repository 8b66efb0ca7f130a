// Requests of Tahoe-LAFS's HTTP storage protocol as our server gets them, taken apart and checked: who asks, with which
// secrets, for which bytes. They come from strangers. What is done about them is facade.ts's business.

import { createHash, timingSafeEqual } from 'node:crypto';
import { concatBytes } from '../base/bytes.ts';

/** A request as it came. */
export interface FacadeRequest {
  readonly method: string;
  /** With whatever stands behind a `?`. */
  readonly path: string;
  /** Names and values in turn, in their order, as they came: the secrets have one line each. */
  readonly rawHeaders: readonly string[];
  readonly body: AsyncIterable<Uint8Array>;
  /** The client has gone away. */
  readonly signal: AbortSignal;
}

/** The answer to one. */
export interface FacadeAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** In pieces, where it may be too large for memory. */
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>;
}

/** A request that is answered with a status other than a success, and why. */
export class Refused extends Error {
  override readonly name: string = 'Refused';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The values of a header, one for each of its lines. */
function headerLines({ rawHeaders }: FacadeRequest, name: string): string[] {
  return rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1]!.toLowerCase() === name);
}

/** @throws Refused 401 unless the request shows the swissnum. Compares in constant time. */
export function checkSwissnum(request: FacadeRequest, swissnum: string): void {
  const lines = headerLines(request, 'authorization');
  const expected = `Tahoe-LAFS ${Buffer.from(swissnum).toString('base64')}`;
  if (lines.length !== 1 || !timingSafeEqual(sha256(lines[0]!), sha256(expected))) {
    throw new Refused(401, 'Wrong Authorization header: it has to have the secret of this server’s address');
  }
}

/**
 * The secrets that an operation takes, 32 bytes each, in the order of `kinds`. An upload's secret may have any length
 * (Tahoe-LAFS's client draws 20 bytes); what stands here for it is its SHA-256.
 * @throws Refused 400 when one is missing, malformed, given twice or not wanted.
 */
export function secretsOf(request: FacadeRequest, ...kinds: readonly string[]): Uint8Array[] {
  const given = new Map<string, Uint8Array>();
  for (const line of headerLines(request, 'x-tahoe-authorization')) {
    const [, kind, text] = /^([a-z-]+) ([A-Za-z0-9+/]+={0,2})$/.exec(line) ?? [];
    if (kind === undefined || !kinds.includes(kind) || given.has(kind)) {
      throw new Refused(400, `X-Tahoe-Authorization has to have one line for each of: ${kinds.join(', ')}`);
    }
    given.set(kind, Buffer.from(text!, 'base64'));
  }
  return kinds.map((kind) => {
    const secret = given.get(kind);
    if (kind === 'upload-secret' && secret !== undefined) return sha256(secret);
    if (secret?.length !== SECRET_BYTES)
      throw new Refused(400, `a secret of ${SECRET_BYTES} bytes is wanted: ${kind}`);
    return secret;
  });
}

/** Which bytes `Range` asks for; undefined: all. @throws Refused 416 for anything but one range with both ends. */
export function rangeOf(request: FacadeRequest): ByteRange | undefined {
  const [line] = headerLines(request, 'range');
  if (line === undefined) return undefined;
  return byteRange(/^bytes=(\d{1,16})-(\d{1,16})$/.exec(line)) ?? refuseRange();
}

/** Where `Content-Range` puts the body. @throws Refused 416. */
export function contentRangeOf(request: FacadeRequest): ByteRange {
  const [line = ''] = headerLines(request, 'content-range');
  return byteRange(/^bytes (\d{1,16})-(\d{1,16})\/(?:\d{1,16}|\*)$/.exec(line)) ?? refuseRange();
}

/** A part of a share; not empty. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** The whole body. @throws Refused 413 when it is longer. */
export async function wholeBody({ body }: FacadeRequest, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of body) {
    sizeBytes += chunk.length;
    if (sizeBytes > bytesMax)
      throw new Refused(413, `the body of such a request has at most ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return concatBytes(chunks);
}

/** The body in pieces of at least `pieceBytes`, but for the last one; none of them is empty. */
export async function* bodyInPieces(
  { body }: FacadeRequest,
  pieceBytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    sizeBytes += chunk.length;
    if (sizeBytes < pieceBytes) continue;
    yield concatBytes(chunks);
    chunks = [];
    sizeBytes = 0;
  }
  if (sizeBytes > 0) yield concatBytes(chunks);
}

function byteRange(match: RegExpExecArray | null): ByteRange | undefined {
  const [first, last] = [Number(match?.[1]), Number(match?.[2])];
  if (!Number.isSafeInteger(first) || !Number.isSafeInteger(last) || last < first) return undefined;
  return { offset: first, length: last - first + 1 };
}

function refuseRange(): never {
  throw new Refused(416, 'one range of bytes is understood, with its first and its last byte');
}

function sha256(value: string | Uint8Array): Uint8Array {
  return createHash('sha256').update(value).digest();
}

const SECRET_BYTES = 32;
