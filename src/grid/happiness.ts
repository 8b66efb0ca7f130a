// Servers of happiness: how many servers an upload can lose before it loses the file is told by the largest
// matching of servers and shares, not by how many shares there are. (tahoe-formats: happiness.)

/** One share at one server. Servers are compared by identity. */
export interface Holding<Server> {
  readonly shareNumber: number;
  readonly server: Server;
}

/** What makes a file safe enough. */
export interface UploadGoal {
  /** Different shares without which it cannot be read (k). */
  readonly needed: number;
  /** Least happiness. */
  readonly happy: number;
}

/** Whether these holdings make a file readable, and as safe as was asked for. */
export function reaches<Server>(goal: UploadGoal, holdings: readonly Holding<Server>[]): boolean {
  const shares = new Set(holdings.map(({ shareNumber }) => shareNumber));
  return shares.size >= goal.needed && happiness(holdings) >= goal.happy;
}

/** The size of a maximum matching: as many pairs as possible, no server and no share in two of them. */
export function happiness<Server>(holdings: Iterable<Holding<Server>>): number {
  return maximumMatching(holdings).size;
}

/**
 * A maximum matching, as share number → server, by augmenting paths (Kuhn's algorithm); with the few hundred
 * servers and 256 shares that there can be at most, nothing faster is worth its length.
 * Earlier holdings are preferred where that costs nothing.
 */
export function maximumMatching<Server>(holdings: Iterable<Holding<Server>>): Map<number, Server> {
  const sharesAt = new Map<Server, number[]>();
  for (const { server, shareNumber } of holdings) {
    const shares = sharesAt.get(server);
    if (shares === undefined) sharesAt.set(server, [shareNumber]);
    else shares.push(shareNumber);
  }
  const serverOf = new Map<number, Server>();

  const matchServer = (server: Server, visited: Set<number>): boolean => {
    for (const share of sharesAt.get(server)!) {
      if (visited.has(share)) continue;
      visited.add(share);
      const rival = serverOf.get(share);
      if (rival === undefined || matchServer(rival, visited)) {
        serverOf.set(share, server);
        return true;
      }
    }
    return false;
  };

  for (const server of sharesAt.keys()) matchServer(server, new Set());
  return serverOf;
}
