// Keeps account, from the datagrams on the network alone, of what servers send to addresses that have not proved that
// they want it: never more than three times what came from there (RFC 9000, section 8).

import type { PathAddress } from '../../src/protocol/path.ts';
import type { NetworkEvent } from '../../src/sim/trace.ts';
import { readHeader } from '../../src/wire/datagram.ts';
import type { Findings } from './violations.ts';

interface Account {
  receivedBytes: number;
  sentBytes: number;
  proven: boolean;
  /** Tokens of challenges sent there. */
  readonly challenges: Set<number>;
}

export class AmplificationWatch {
  readonly #findings: Findings;
  readonly #servers: ReadonlySet<string>;
  /** By server host, then by the other address. */
  readonly #accounts = new Map<string, Map<string, Account>>();
  /** Which address a server's answer to a first datagram went to, by the session that the answer names. */
  readonly #answeredTo = new Map<number, Account>();
  /** Where the datagram that is being received came from. */
  #receivingFrom: PathAddress | undefined;

  constructor(servers: Iterable<string>, findings: Findings) {
    this.#servers = new Set(servers);
    this.#findings = findings;
  }

  /** A new process of this server knows nobody. */
  restarted(server: string): void {
    this.#accounts.delete(server);
  }

  onNetwork({ kind, datagram: { bytes, from, to } }: NetworkEvent): void {
    if (kind === 'delivered' && this.#servers.has(to.host)) {
      const account = this.#account(to.host, from);
      account.receivedBytes += bytes.length;
      this.#receivingFrom = from;
      const header = readHeader(bytes);
      // Who names a session has read the answer that told it.
      if (header.kind === 'data') {
        const answered = this.#answeredTo.get(header.to);
        if (answered !== undefined) answered.proven = true;
      }
    } else if (kind === 'sent' && this.#servers.has(from.host)) {
      const account = this.#account(from.host, to);
      account.sentBytes += bytes.length;
      const header = readHeader(bytes);
      if (header.kind === 'resp') this.#answeredTo.set(header.from, account);
      if (!account.proven && account.sentBytes > 3 * account.receivedBytes) {
        this.#findings.violated(
          'amplification',
          `${from.host} sent ${account.sentBytes} bytes to ${to.host}:${to.port}, which has sent ${account.receivedBytes}`,
        );
      }
    }
  }

  /** A server has sent a path challenge. */
  challenged(server: string, to: PathAddress, token: number): void {
    this.#account(server, to).challenges.add(token);
  }

  /** A path response has come to a server; true when it proves the address that it came from. */
  proved(server: string, token: number): boolean {
    if (this.#receivingFrom === undefined) return false;
    const account = this.#account(server, this.#receivingFrom);
    if (!account.challenges.has(token)) return false;
    account.proven = true;
    return true;
  }

  #account(server: string, { host, port }: PathAddress): Account {
    let accounts = this.#accounts.get(server);
    if (accounts === undefined) {
      accounts = new Map();
      this.#accounts.set(server, accounts);
    }
    const key = `${host}:${port}`;
    let account = accounts.get(key);
    if (account === undefined) {
      account = { receivedBytes: 0, sentBytes: 0, proven: false, challenges: new Set() };
      accounts.set(key, account);
    }
    return account;
  }
}
