// Two endpoints without a seal, so that every byte that a stranger changes gets to the protocol: endpoint-play.ts.

import {
  DATA_HEADER_BYTES,
  INIT_HEADER_BYTES,
  MIN_DATAGRAM_BYTES,
  RESP_HEADER_BYTES,
  readHeader,
  writeDataHeader,
  writeInitHeader,
  writeRespHeader,
} from '../../../src/wire/datagram.ts';
import { plainProtection } from '../../protocol/plain-protection.ts';
import { calleeAt } from '../../protocol/two-endpoints.ts';
import { EndpointPlay, FRAMES, SCRIPTS, SERVER, type Voice } from '../endpoint-play.ts';
import { Bytes, CountingRandom, type FuzzTarget } from '../target.ts';

export const target: FuzzTarget = {
  maxBytes: 1024,
  covers: ['protocol/'],
  seeds: SCRIPTS,
  dictionary: FRAMES,
  run(input) {
    new EndpointPlay(new Bytes(input), plainVoice(), new CountingRandom()).run();
  },
};

function plainVoice(): Voice {
  let serverSession = 1;
  let clientSession = 1;
  let clientAttempt = 1;
  /** Ids and packet numbers of the stranger's, apart from those in use. */
  let forged = 1000;
  return {
    client: plainProtection(),
    server: plainProtection(),
    remote: calleeAt(SERVER).remote,
    overhear(datagram) {
      const header = readHeader(datagram);
      if (header.kind === 'init') clientAttempt = header.from;
      if (header.kind !== 'resp') return;
      serverSession = header.from;
      clientSession = header.to;
    },
    dataToServer: (frames) => dataOf(serverSession, forged++, frames),
    dataToClient: (frames) => dataOf(clientSession, forged++, frames),
    init(frames) {
      const datagram = new Uint8Array(MIN_DATAGRAM_BYTES);
      writeInitHeader(datagram, forged++);
      datagram.set(frames, INIT_HEADER_BYTES);
      return datagram;
    },
    resp(frames) {
      const datagram = new Uint8Array(RESP_HEADER_BYTES + frames.length);
      writeRespHeader(datagram, clientAttempt, forged++);
      datagram.set(frames, RESP_HEADER_BYTES);
      return datagram;
    },
  };
}

function dataOf(session: number, packetNumber: number, frames: Uint8Array): Uint8Array {
  const datagram = new Uint8Array(DATA_HEADER_BYTES + frames.length);
  writeDataHeader(datagram, session, packetNumber);
  datagram.set(frames, DATA_HEADER_BYTES);
  return datagram;
}
