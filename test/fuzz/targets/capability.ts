// Capabilities as people paste them: one or a CapabilityError that shows no secret; written again they are the same.

import {
  type Capability,
  CapabilityError,
  formatCapability,
  parseCapability,
  storageIndexOf,
} from '../../../src/tahoe/capability.ts';
import { assert, type FuzzTarget, text } from '../target.ts';

const KEY = 'aaaaaaaaaaaaaaaaaaaaaaaaaa';
const HASH = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa';
const decoder = new TextDecoder();

export const target: FuzzTarget = {
  maxBytes: 256,
  covers: ['tahoe/capability.ts', 'base/base32.ts'],
  seeds: [
    text('URI:LIT:krugkidfnzsc4'),
    text('URI:LIT:'),
    text(`URI:CHK:${KEY}:${HASH}:3:10:1000`),
    text(`URI:CHK-Verifier:${KEY}:${HASH}:3:10:1000`),
    text(`URI:SSK:${KEY}:${HASH}`),
    text(`URI:DIR2:${KEY}:${HASH}`),
  ],
  dictionary: [
    'URI:',
    'CHK',
    'CHK-Verifier',
    'LIT',
    'SSK',
    'SSK-RO',
    'MDMF',
    'DIR2',
    ':3:10:1000',
    KEY,
    HASH,
  ].map(text),
  run(input) {
    const pasted = decoder.decode(input);
    let capability: Capability;
    try {
      capability = parseCapability(pasted);
    } catch (error) {
      assert(error instanceof CapabilityError, `what is thrown is a CapabilityError, not ${String(error)}`);
      return;
    }
    const written = formatCapability(capability);
    assert(written === formatCapability(parseCapability(written)), 'a capability is read as it was written');
    if (capability.kind !== 'lit') storageIndexOf(capability as never);
  },
};
