// @grpc/grpc-js over HTTP/2 without TLS: one channel, unary calls. The bodies are handed over as they are, without
// protobuf, which is less work than a generated service has.

import {
  Client,
  credentials,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
} from '@grpc/grpc-js';
import type { System } from './system.ts';

const asItIs = (bytes: Buffer): Buffer => bytes;
const ECHO: MethodDefinition<Buffer, Buffer> = {
  path: '/bench.Echo/Echo',
  requestStream: false,
  responseStream: false,
  requestSerialize: asItIs,
  requestDeserialize: asItIs,
  responseSerialize: asItIs,
  responseDeserialize: asItIs,
};

function grpcWith(name: string, channelOptions: Record<string, number>): System {
  return {
    name,
    bodyBytesMax: 4 * 1024 * 1024,
    recovers: true,
    async serve(host) {
      const server = new Server();
      server.addService(
        { echo: ECHO },
        {
          echo: (call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) =>
            done(null, call.request),
        },
      );
      const port = await new Promise<number>((resolve, reject) => {
        server.bindAsync(`${host}:0`, ServerCredentials.createInsecure(), (error, bound) =>
          error ? reject(error) : resolve(bound),
        );
      });
      return { address: `${host}:${port}` };
    },
    async connect(address) {
      const client = new Client(address, credentials.createInsecure(), channelOptions);
      return {
        echo: (body) =>
          new Promise((resolve, reject) => {
            client.makeUnaryRequest(ECHO.path, asItIs, asItIs, body, (error, answer) =>
              error ? reject(error) : resolve(answer!),
            );
          }),
        close: async () => client.close(),
      };
    },
  };
}

export const grpcJs: System = grpcWith('grpc-js', {});

/** With pings, as gRPC's guide to keep-alive shows them: after 10 s without a word, and 5 s for the answer. */
export const grpcJsKeepAlive: System = grpcWith('grpc-js with keep-alive', {
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
});
