// The outside of a datagram: any bytes have one verdict, and what is read is what the writers would write.

import { readHeader, writeDataHeader, writeInitHeader, writeRespHeader } from '../../../src/wire/datagram.ts';
import { assert, type FuzzTarget, hex } from '../target.ts';

const written = new Uint8Array(32);

export const target: FuzzTarget = {
  maxBytes: 64,
  covers: ['wire/datagram.ts'],
  seeds: [
    hex('10'),
    hex('11 0000000000000005'),
    hex('12 0000000000000005 0000000000000006'),
    hex('13 0000000000000005 0000000000000007'),
    hex('14 0000000000000005 0102030405060708'),
    hex('23 0000000000000005 0000000000000007'),
  ],
  run(input) {
    const header = readHeader(input);
    switch (header.kind) {
      case 'init':
        assertWritten(input, writeInitHeader(written, header.from));
        return;
      case 'resp':
        assertWritten(input, writeRespHeader(written, header.to, header.from));
        return;
      case 'data':
        assertWritten(input, writeDataHeader(written, header.to, header.packetNumber));
        return;
      default:
        return;
    }
  },
};

function assertWritten(input: Uint8Array, length: number): void {
  for (let i = 0; i < length; i++) assert(written[i] === input[i], 'a header is written as it was read');
}
