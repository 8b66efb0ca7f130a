// The targets by name. Each is loaded in a thread of its own, so that its coverage is that of what it needs.

import type { FuzzTarget } from './target.ts';

/** Name of each target: a module in targets/. */
export const TARGET_NAMES: readonly string[] = [
  'datagram',
  'frames',
  'varint',
  'message',
  'cbor',
  'body',
  'tcp-frames',
  'share',
  'merkle',
  'capability',
  'grid-file',
  'endpoint',
  'sealed-endpoint',
  'session',
  'http-facade',
  'http-client',
];

/** Loads one. @throws Error when there is none of this name. */
export async function loadTarget(name: string): Promise<FuzzTarget> {
  const module: { readonly target: FuzzTarget } = await import(`./targets/${name}.ts`);
  return module.target;
}
