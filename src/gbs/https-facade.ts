// The socket of our server for Tahoe-LAFS's clients: TLS, and Node's HTTP server with limits. What requests mean is
// facade.ts's business.

import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { finished, pipeline } from 'node:stream/promises';
import { reachableAddress } from '../transport/address.ts';
import { bindError } from '../transport/bind-error.ts';
import { spkiHashOf, type TlsIdentity } from './certificate.ts';
import { Facade, type FacadeOptions } from './facade.ts';
import type { FacadeAnswer } from './facade-request.ts';
import { formatNurl } from './nurl.ts';

/** Where it listens, and as whom. */
export interface HttpsFacadeOptions extends FacadeOptions {
  readonly identity: TlsIdentity;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
}

/** A server that is listening. */
export interface HttpsFacade extends AsyncDisposable {
  /** `pb://…#v=1`: a secret, with which anybody may use it. */
  readonly address: string;
}

/** Serves a storage server. @throws RpcError when the port cannot be had. */
export async function serveHttps(options: HttpsFacadeOptions): Promise<HttpsFacade> {
  const { identity, host, port, swissnum } = options;
  const facade = new Facade(options);
  const server = createServer({
    key: identity.privateKey,
    cert: identity.certificate,
    minVersion: 'TLSv1.2',
    // Longer than a client leaves its connections alone between two operations.
    keepAliveTimeout: 120_000,
    headersTimeout: 30_000,
    // For the whole of a request: a share of the largest size, in one, on a slow line.
    requestTimeout: 30 * 60_000,
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.on('request', (request, response) => void serve(facade, request, response));
  // Strangers that speak no TLS, or stop in the middle.
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  server.listen({ host, port });
  try {
    await once(server, 'listening');
  } catch (error) {
    throw bindError(error, `HTTPS ${host}:${port}`);
  }
  const bound = reachableAddress({ host, port: (server.address() as AddressInfo).port });
  return {
    address: formatNurl({ ...bound, swissnum, spkiHash: spkiHashOf(identity.certificate) }),
    async [Symbol.asyncDispose](): Promise<void> {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function serve(facade: Facade, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort(new Error('the client has gone away')));
  const { method = '', url: path = '', rawHeaders } = request;
  // Whoever stops reading in the middle has still something to say.
  const body = request.iterator({ destroyOnReturn: false });
  const answer = await facade.answer({ method, path, rawHeaders, body, signal: gone.signal });
  // The rest of a body that nobody wants: without it the client would not hear the answer.
  const isLeftOver = !request.complete;
  request.resume();
  response.writeHead(answer.status, { ...answer.headers, ...(isLeftOver && { Connection: 'close' }) });
  await send(answer.body, response).catch(() => response.destroy());
}

function send(body: FacadeAnswer['body'], response: ServerResponse): Promise<void> {
  if (body !== undefined && !(body instanceof Uint8Array)) return pipeline(body, response);
  response.end(body);
  return finished(response);
}

/** Each may hold a megabyte of a request, and an answer of 16. */
const CONNECTIONS_MAX = 512;
