// First datagrams at a server: who may come in, and what is said to those who may not. The order in which they are
// looked at is the protection's; what a client is once it is in, is server-peer.ts.

import { decodeFrames } from '../wire/frame.ts';
import type { CallingClients } from './calling-clients.ts';
import type { Transmit } from './link.ts';
import type { PathAddress } from './path.ts';
import type { ServerContext } from './server-calls.ts';
import { ServerPeer } from './server-peer.ts';

/** What a first datagram leads to. */
export type Entry = 'dropped' | 'unsound' | 'sound' | Transmit;

/** Looks at a first datagram; a Transmit is all the answer that it gets. */
export function onInit(
  context: ServerContext,
  clients: CallingClients,
  datagramCeilingBytes: (to: PathAddress) => number,
  remoteSession: number,
  datagram: Uint8Array,
  from: PathAddress,
  nowMs: number,
): Entry {
  // P-31: the network has doubled it, or somebody names an id of another, whose NOSESS would then not be understood.
  if (context.sessions.byRemoteId(remoteSession) !== undefined) return 'dropped';
  const localSession = context.freshSessionId();
  const admission = context.protection.accept(datagram, remoteSession, localSession, from, nowMs);
  switch (admission.kind) {
    case 'dropped':
      return 'dropped';
    case 'cookie':
      context.stats.cookiesSent++;
      return { to: from, bytes: admission.datagram };
    case 'refused':
      if (admission.why === 'unauthorized') context.stats.clientsRefused++;
      return { to: from, bytes: admission.datagram };
    case 'accepted':
      break;
    default:
      return admission satisfies never;
  }
  const { acceptance } = admission;
  const frames = decodeFrames(acceptance.opened.frames);
  const hello = frames?.[0];
  // P-21
  if (frames === undefined || hello?.type !== 'hello') return 'dropped';
  const peer = clients.begin(
    hello.epoch,
    acceptance.initiator,
    (account) => new ServerPeer(context, hello.epoch, account, from, datagramCeilingBytes(from)),
  );
  if (peer === undefined) return 'dropped';
  context.observer?.packetReceived({
    peer: from,
    session: localSession,
    role: 'server',
    kind: 'init',
    packetNumber: acceptance.opened.packetNumber,
    sizeBytes: datagram.length,
    frames: acceptance.opened.frames,
  });
  const init = { acceptance, localSession, remoteSession, hello, frames, from, sizeBytes: datagram.length };
  return peer.onInit(init, nowMs) ? 'sound' : 'unsound';
}
