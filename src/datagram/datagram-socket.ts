// What the driver needs of a socket: the seam between the UDP socket (udp-socket.ts) and the simulated one
// (sim/network.ts).

/** An IP address and a port; never a host name. */
export interface SocketAddress {
  /** `127.0.0.1`, `::1`; without brackets. */
  readonly host: string;
  readonly port: number;
}

/** A bound datagram socket. */
export interface DatagramSocket {
  readonly local: SocketAddress;
  /**
   * Largest datagram, in bytes, that is worth trying to this address: what the interface carries unfragmented
   * (a loopback interface: tens of KiB), never less than 1200.
   */
  datagramCeilingBytes(to: SocketAddress): number;
  /**
   * Sends one datagram. The socket may read `bytes` as long as {@link queuedBytes} is not 0; then they are the caller's
   * again, who writes over them. Never throws: what the local network refuses comes to `onSendError`.
   */
  send(bytes: Uint8Array, to: SocketAddress): void;
  /**
   * Asks the operating system whether anybody listens at an address, where it can tell: if not, `ECONNREFUSED`
   * comes to `onSendError`. An answer of any other kind, or none, says nothing.
   */
  askWhetherOpen?(to: SocketAddress): void;
  /**
   * Asks whether the machine at an address lives, where that can be asked, at ports where nobody listens. `onAlive` is
   * called at most once, within a second, or not at all; a machine that was asked a moment ago may not be asked again.
   */
  askMachine?(at: SocketAddress, onAlive: () => void): void;
  /** Bytes accepted by `send` that the operating system has not taken yet. */
  readonly queuedBytes: number;
  /** Called when the operating system has taken a datagram; set by the driver. */
  onTaken?: () => void;
  /** The one receiver; set before the first turn ends. The bytes belong to the receiver. */
  onDatagram: (bytes: Uint8Array, from: SocketAddress) => void;
  /** `code` is the system's, e.g. `ENETUNREACH`, `EMSGSIZE`; `sizeBytes` that of the datagram which it refused. */
  onSendError: (to: SocketAddress, code: string, sizeBytes: number) => void;
  close(): Promise<void>;
}
