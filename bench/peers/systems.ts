// All that is compared, by name.

import { coap } from './coap.ts';
import { dgram } from './dgram.ts';
import { dhtRpc } from './dht-rpc.ts';
import { grpcJs, grpcJsKeepAlive } from './grpc-js.ts';
import { http } from './http.ts';
import { nevermind, nevermindDuplicates, nevermindTcp } from './nevermind.ts';
import type { System } from './system.ts';
import { tcp } from './tcp.ts';
import { udpRequest } from './udp-request.ts';

/** The ones that every suite has. */
export const SYSTEMS: readonly System[] = [nevermind, dgram, dhtRpc, udpRequest, coap, grpcJs, tcp];

/** Those, and others for the questions who notices silence, and what lost datagrams cost. */
export const ALL_SYSTEMS: readonly System[] = [
  ...SYSTEMS,
  ...nevermindDuplicates,
  nevermindTcp,
  grpcJsKeepAlive,
  http,
];

/** @throws Error that lists the names there are. */
export function systemNamed(name: string): System {
  const system = ALL_SYSTEMS.find((one) => one.name === name);
  if (system === undefined) {
    throw new Error(
      `no system is called ${name}; there are ${ALL_SYSTEMS.map((one) => one.name).join(', ')}`,
    );
  }
  return system;
}
