// All that is compared, by name.

import { coap } from './coap.ts';
import { dgram } from './dgram.ts';
import { dhtRpc } from './dht-rpc.ts';
import { grpcJs } from './grpc-js.ts';
import { nevermind } from './nevermind.ts';
import type { System } from './system.ts';
import { tcp } from './tcp.ts';
import { udpRequest } from './udp-request.ts';

export const SYSTEMS: readonly System[] = [nevermind, dgram, dhtRpc, udpRequest, coap, grpcJs, tcp];

/** @throws Error that lists the names there are. */
export function systemNamed(name: string): System {
  const system = SYSTEMS.find((one) => one.name === name);
  if (system === undefined) {
    throw new Error(`no system is called ${name}; there are ${SYSTEMS.map((one) => one.name).join(', ')}`);
  }
  return system;
}
