// HTTP over TLS to one server whose key is known beforehand: connections that are kept open and used again, and
// one exchange at a time on each. Requests carry secrets, so a connection is used only once the server has shown the
// key that its address names. Time limits, retries and what an answer means are left to others.

import type { IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect, type TLSSocket } from 'node:tls';
import { concatBytes, equalBytes } from '../base/bytes.ts';
import type { Clock } from '../base/clock.ts';
import { spkiHashOf } from './certificate.ts';
import type { Nurl } from './nurl.ts';

/** A request as it is sent. */
export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH';
  readonly path: string;
  /** A header with several values is sent as several lines, which the protocol's secrets have to be. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: Uint8Array | undefined;
  /** An answer with a longer body is cut off and fails. */
  readonly answerBytesMax: number;
}

/** An answer, complete. */
export interface HttpAnswer {
  readonly status: number;
  readonly contentRange: string | undefined;
  readonly body: Uint8Array;
}

/** An exchange that failed otherwise than with an error of the system. */
export class ExchangeError extends Error {
  override readonly name: string = 'ExchangeError';
  readonly code: 'WRONG_KEY' | 'ANSWER_TOO_LARGE' | 'STALE_CONNECTION';

  constructor(code: ExchangeError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** What a server's connections tell whoever watches over it. */
export interface HttpsWatcher {
  /** A connection took this long to be answered: one round trip, with nothing of the server's own work in it. */
  readonly onRoundTrip: (elapsedMs: number) => void;
  /** A server has shown its certificate, in DER, and the right key. */
  readonly onCertificate: (der: Uint8Array) => void;
  /** Something came from the server's process. */
  readonly onHeard: () => void;
}

/** The way to one server. */
export class PinnedHttps {
  readonly #nurl: Nurl;
  readonly #agent: PinnedAgent;
  readonly #watcher: HttpsWatcher;

  constructor(nurl: Nurl, clock: Clock, watcher: HttpsWatcher) {
    this.#nurl = nurl;
    this.#watcher = watcher;
    this.#agent = new PinnedAgent(nurl, clock, watcher);
  }

  /**
   * Sends a request. When `signal` aborts, its connection is closed and the promise rejects.
   * @throws ExchangeError; errors of the system, of TLS and of Node's HTTP parser.
   */
  exchange(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      const { method, path, headers, body, answerBytesMax } = request;
      const { host, port } = this.#nurl;
      const length = body === undefined ? {} : { 'Content-Length': String(body.length) };
      const sent = httpsRequest({
        agent: this.#agent,
        host,
        port,
        method,
        path,
        headers: { ...headers, ...length } as Record<string, string | string[]>,
        signal,
      });
      // Node lets a connection that is being made go on without its request; who does not answer would collect them.
      const opening = this.#agent.takeOpening();
      const giveUp = (): void => void opening?.destroy();
      signal.addEventListener('abort', giveUp, { once: true });
      sent.once('close', () => signal.removeEventListener('abort', giveUp));
      let isAnswered = false;
      sent.on('response', (response) => {
        isAnswered = true;
        this.#watcher.onHeard();
        readAnswer(response, answerBytesMax, this.#watcher).then(resolve, (error: unknown) => {
          sent.destroy();
          reject(error);
        });
      });
      sent.on('error', (error: NodeJS.ErrnoException) => {
        // The server had closed a connection that we thought was open: it has not read this request.
        const isStale = !isAnswered && sent.reusedSocket && LOST.has(error.code ?? '');
        reject(
          isStale
            ? new ExchangeError('STALE_CONNECTION', 'the connection had been closed', { cause: error })
            : error,
        );
      });
      sent.end(body);
    });
  }

  /** Closes all connections. */
  close(): void {
    this.#agent.close();
  }
}

/** Node's pool of connections, with connections that are given out once the server's key is proven. */
class PinnedAgent extends Agent {
  readonly #nurl: Nurl;
  readonly #clock: Clock;
  readonly #watcher: HttpsWatcher;
  readonly #connecting = new Set<TLSSocket>();
  #opening: TLSSocket | undefined;

  constructor(nurl: Nurl, clock: Clock, watcher: HttpsWatcher) {
    super({ keepAlive: true, maxSockets: CONNECTIONS_MAX, maxFreeSockets: CONNECTIONS_MAX });
    this.#nurl = nurl;
    this.#clock = clock;
    this.#watcher = watcher;
  }

  override createConnection(
    _options: unknown,
    onCreated?: (error: Error | null, socket: Duplex) => void,
  ): undefined {
    const { host, port, spkiHash } = this.#nurl;
    const startedAtMs = this.#clock.now();
    const socket = connect({
      host,
      port,
      // The key decides, not a certificate authority, nor dates and names in the certificate.
      rejectUnauthorized: false,
      ...(isIP(host) === 0 && { servername: host }),
      minVersion: 'TLSv1.2',
    });
    socket.setNoDelay(true);
    this.#opening = socket;
    this.#connecting.add(socket);
    const limit = this.#clock.setTimer(CONNECT_MAX_MS, () => {
      socket.destroy(Object.assign(new Error('no connection in time'), { code: 'ETIMEDOUT' }));
    });
    const settle = (error: Error | null): void => {
      if (!this.#connecting.delete(socket)) return;
      limit.cancel();
      if (error !== null) socket.destroy();
      onCreated?.(error, socket);
    };
    socket.once('connect', () => this.#watcher.onRoundTrip(this.#clock.now() - startedAtMs));
    socket.once('secureConnect', () => {
      this.#watcher.onHeard();
      const shown = socket.getPeerX509Certificate();
      if (shown !== undefined && equalBytes(spkiHashOf(shown), spkiHash)) {
        this.#watcher.onCertificate(shown.raw);
        settle(null);
      } else {
        settle(new ExchangeError('WRONG_KEY', 'it shows another key than its address names'));
      }
    });
    socket.on('error', settle);
    socket.once('close', () => settle(Object.assign(new Error('closed'), { code: 'ECONNRESET' })));
    return undefined;
  }

  /** The connection that has been begun since this was last called: for the request that was made in between. */
  takeOpening(): TLSSocket | undefined {
    const opening = this.#opening;
    this.#opening = undefined;
    return opening;
  }

  close(): void {
    for (const socket of this.#connecting) socket.destroy();
    this.destroy();
  }
}

async function readAnswer(
  response: IncomingMessage,
  bytesMax: number,
  watcher: HttpsWatcher,
): Promise<HttpAnswer> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    watcher.onHeard();
    sizeBytes += chunk.length;
    if (sizeBytes > bytesMax) {
      throw new ExchangeError('ANSWER_TOO_LARGE', `its answer has more than ${bytesMax} bytes`);
    }
    chunks.push(chunk);
  }
  return {
    status: response.statusCode ?? 0,
    contentRange: response.headers['content-range'],
    body: concatBytes(chunks),
  };
}

const LOST: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE']);
/** Tahoe-LAFS's server does one thing at a time; more connections would only queue there. */
const CONNECTIONS_MAX = 8;
/** A connection that is not there by then is given up; whoever waits for it has given up long before. */
const CONNECT_MAX_MS = 60_000;
