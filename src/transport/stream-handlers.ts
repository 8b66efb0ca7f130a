// Streamed calls at their server: runs the handler of `open`, and lets those who read and write its streams wait for
// each other. That each part runs at most once, and ends when nobody waits for it, is the business of calls.

import { Download } from './download.ts';
import { RpcError } from './error.ts';
import type { ReadAheadBudget } from './read-ahead.ts';
import { isByteSource, PieceSource, parseGive, parseNext, parseOpen } from './stream-parts.ts';
import type { Handler, HandlerContext } from './transport.ts';
import { Upload } from './upload.ts';
import { WithHead } from './with-head.ts';

/** What runs for each part of a streamed call. */
export interface PartHandlers {
  readonly open: Handler;
  readonly next: Handler;
  readonly give: Handler;
}

/** The streams that the handlers of one transport take and give. */
export class StreamHandlers {
  /** By id; there as long as any request of theirs is at work. */
  readonly #streams = new Map<string, ServedStream>();
  readonly #readAhead: ReadAheadBudget;
  readonly #load = { streams: 0 };

  constructor(readAhead: ReadAheadBudget) {
    this.#readAhead = readAhead;
  }

  /** Streams that any request at work belongs to. */
  get size(): number {
    return this.#streams.size;
  }

  /** What a handler is called by when its request or its answer is a stream. */
  partsOf(handler: Handler): PartHandlers {
    return {
      open: (request, context) => {
        const { id, body, upload, download } = parseOpen(request);
        return this.#within(id, (stream) => stream.open(handler, body, context, upload, download));
      },
      next: (request, { signal }) => {
        const { id, seq, received } = parseNext(request);
        return this.#within(id, ({ download }) =>
          unlessAborted(signal, download.pull(seq, received), () => download.drop(seq)),
        );
      },
      give: (request, { signal }) => {
        const { id, seq, bytes } = parseGive(request);
        return this.#within(id, ({ upload }) =>
          unlessAborted(signal, upload.give(seq, bytes), () => upload.drop(seq)),
        );
      },
    };
  }

  /** Whichever part comes first makes the stream, as the network may turn their order round; the last one ends it. */
  async #within(id: string, work: (stream: ServedStream) => Promise<unknown>): Promise<unknown> {
    // P-110
    let stream = this.#streams.get(id);
    if (stream === undefined) {
      stream = new ServedStream(this.#readAhead, this.#load);
      this.#streams.set(id, stream);
      this.#load.streams++;
    }
    stream.requests++;
    try {
      return await work(stream);
    } finally {
      if (--stream.requests === 0) {
        this.#streams.delete(id);
        this.#load.streams--;
      }
    }
  }
}

/** Who asked for a piece, or gave one, and says never mind, leaves nothing behind. */
async function unlessAborted(
  signal: AbortSignal,
  work: Promise<unknown>,
  abandon: () => void,
): Promise<unknown> {
  let onAbort = (): void => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => {
      abandon();
      reject(signal.reason);
    };
  });
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

class ServedStream {
  requests = 0;
  readonly download: Download;
  readonly upload: Upload;
  #opened = false;

  constructor(readAhead: ReadAheadBudget, load: { streams: number }) {
    this.download = new Download(load);
    this.upload = new Upload(readAhead);
  }

  async open(
    handler: Handler,
    body: unknown,
    context: HandlerContext,
    hasUpload: boolean,
    hasDownload: boolean,
  ): Promise<unknown> {
    if (this.#opened) throw new TypeError('this stream has been opened before');
    this.#opened = true;
    const { signal } = context;
    const onAbort = (): void => {
      this.upload.cancel(signal.reason);
      this.download.cancel();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    if (hasUpload) this.upload.begin(context.from);
    const streamed = new StreamContext(context, hasUpload ? this.upload : undefined);
    try {
      if (!hasDownload) return plain(await handler(body, streamed));
      return await this.download.run(async () => handler(body, streamed));
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.upload.end();
    }
  }
}

/** @throws RpcError for an answer that its caller is not prepared to read. */
export function plain(answer: unknown): unknown {
  const pieces = answer instanceof WithHead ? answer.pieces : answer;
  if (!isByteSource(pieces)) return answer;
  new PieceSource(pieces).stop();
  throw new RpcError('BAD_ARGUMENT', 'this method answers with a stream: call it with peer.stream()');
}

/** What the handler is told, with its upload. */
class StreamContext implements HandlerContext {
  readonly upload: AsyncIterable<Uint8Array> | undefined;
  readonly #context: HandlerContext;

  constructor(context: HandlerContext, upload: AsyncIterable<Uint8Array> | undefined) {
    this.#context = context;
    this.upload = upload;
  }

  get signal(): AbortSignal {
    return this.#context.signal;
  }

  get deadlineAtMs(): number {
    return this.#context.deadlineAtMs;
  }

  get from(): string {
    return this.#context.from;
  }
}
