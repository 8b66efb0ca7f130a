// The rare paths that a simulation must have taken, or it has proved nothing about them: each name is counted when
// it happens, and a count of 0 over all seeds is a failure of the simulator.

/** Rare paths, and how one knows that they were taken. */
export const SOMETIMES = {
  'datagram lost': 'network',
  'datagram duplicated': 'network',
  'datagram reordered': 'network',
  'datagram replayed': 'network',
  'datagram too large for a shrunken path': 'network',
  'datagram in a partition': 'network',
  'datagram in a black hole': 'network',
  'datagram queue overflowed': 'network',
  'datagram to a host without a route': 'network',
  'client moved by NAT proved its new address': 'a path challenge was answered',
  'server crashed': 'process',
  'client crashed': 'process',
  'power cut in the middle of a disk operation': 'process',
  'process paused for long': 'process',
  'event loop stalled': 'process',
  'wall clock jumped': 'process',
  'call answered': 'caller',
  'large call answered': 'caller: more than was granted unasked',
  'call cancelled before anything was sent': 'caller and endpoint',
  'call cancelled while its handler ran': 'caller and server',
  'group of calls cancelled together': 'caller',
  'cancel before its request': 'server: CANCEL for an id that it has not seen',
  'tombstone hit': 'server: a request that had been cancelled before',
  'stale id refused': 'server: a request that had settled',
  'request parked at first contact': 'server',
  'handler told that nobody waits': 'server',
  'call failed with DEADLINE_EXCEEDED': 'caller',
  'call failed with PEER_SILENT': 'caller',
  'call failed with OUTCOME_UNKNOWN': 'caller',
  'call failed with OVERLOADED': 'caller',
  'call failed with NETWORK_UNREACHABLE': 'caller',
  'call failed with HANDLER_FAILED': 'caller',
  'call failed with CLOSED': 'caller',
  'idempotent call ran again after a restart': 'server',
  'caller told that its answer is gone': 'server',
  'peer silent': 'client',
  'probe after silence': 'client: a single probe of a silent peer',
  'peer back': 'client',
  'black hole detected': 'path',
  'larger datagrams found to pass': 'path',
  'persistent congestion': 'path',
  'small message sent twice': 'both: its path loses',
  'datagram for duplicates alone': 'both',
  'file stored': 'grid',
  'file read back': 'grid',
  'file read while a server was away': 'grid',
  'upload failed cleanly': 'grid',
  'upload replaced a server': 'grid',
  'upload cancelled': 'grid',
  'download hedged': 'grid',
  'wrong bytes of a server noticed': 'grid',
  'disk was full': 'storage',
  'disk failed': 'storage',
  'half-written share gone after a restart': 'storage',
  'acknowledged share survived a power cut': 'storage',
} as const;

export type Sometimes = keyof typeof SOMETIMES;

/** Adds up. */
export function addCounts(
  to: Partial<Record<Sometimes, number>>,
  counts: Partial<Record<Sometimes, number>>,
): void {
  for (const name of Object.keys(counts) as Sometimes[]) to[name] = (to[name] ?? 0) + (counts[name] ?? 0);
}
