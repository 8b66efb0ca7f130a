// A server over TLS that answers as its test says, and writes down what it was asked.

import { X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import { ResponseTimes } from '../../src/base/response-times.ts';
import { RetryBudget } from '../../src/base/retry-budget.ts';
import { makeTlsIdentity, spkiHashOf } from '../../src/gbs/certificate.ts';
import { GbsStorageServer } from '../../src/gbs/gbs-server.ts';
import type { Nurl } from '../../src/gbs/nurl.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import { systemClock } from '../../src/transport/system-clock.ts';

const IDENTITY = makeTlsIdentity();
export const CERTIFICATE_DER: Uint8Array = new X509Certificate(IDENTITY.certificate).raw;

export interface Seen {
  readonly method: string;
  readonly path: string;
  /** Every header line, as it came. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array;
}

export interface Scripted {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: Uint8Array | undefined;
}

/** `reply` gives the answer; `'hang'`: none; `'drop'`: closes the connection. */
export async function scriptedServer(reply: (seen: Seen) => Scripted | 'hang' | 'drop'): Promise<{
  readonly nurl: Nurl;
  readonly seen: Seen[];
  readonly connections: () => number;
  /** The client has closed a connection before it had its answer. */
  readonly closedEarly: Promise<void>;
}> {
  const seen: Seen[] = [];
  let connections = 0;
  let tellClosed = (): void => {};
  const closedEarly = new Promise<void>((resolve) => {
    tellClosed = resolve;
  });
  const server = createServer(
    { key: IDENTITY.privateKey, cert: IDENTITY.certificate },
    (request, response) => {
      response.once('close', () => {
        if (!response.writableFinished) tellClosed();
      });
      void (async () => {
        const { method = '', url: path = '' } = request;
        const asked = { method, path, headers: linesOf(request), body: await buffer(request) };
        seen.push(asked);
        const answer = reply(asked);
        if (answer === 'hang') return;
        if (answer === 'drop') request.socket.destroy();
        else response.writeHead(answer.status, answer.headers).end(answer.body);
      })();
    },
  );
  server.on('secureConnection', () => {
    connections++;
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => {
      server.close(resolve);
    });
  });
  const { port } = server.address() as AddressInfo;
  const nurl = { spkiHash: spkiHashOf(IDENTITY.certificate), host: '127.0.0.1', port, swissnum: 'swiss' };
  return { nurl, seen, connections: () => connections, closedEarly };
}

/** A client that is closed after the test. */
export function clientOf(nurl: Nurl): GbsStorageServer {
  const cohort = new ResponseTimes();
  const context = { clock: systemClock, random: new SeededRandom('gbs'), cohort, retries: new RetryBudget() };
  const client = new GbsStorageServer(nurl, context);
  onTestFinished(() => client[Symbol.dispose]());
  return client;
}

function linesOf({ rawHeaders }: IncomingMessage): [string, string][] {
  return rawHeaders.flatMap((name, i) =>
    i % 2 === 0 ? [[name, rawHeaders[i + 1]!] as [string, string]] : [],
  );
}
