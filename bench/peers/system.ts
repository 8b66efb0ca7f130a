// What the benchmarks compare: systems that carry a request to another process and its answer back. One file per system
// says how it is set up, and why that is fair to it; which of them a suite measures is the suite's business.

/** A system's server: it echoes what it gets. */
export interface EchoServer {
  /** What {@link System.connect} needs. */
  readonly address: string;
}

/** A system's client, with one server. */
export interface EchoClient {
  /** Sends `body` and resolves to the same bytes; rejects when the system gives up. */
  echo(body: Buffer): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** One way of calling another process. */
export interface System {
  readonly name: string;
  /** Largest body that it carries in one call; it is not measured above. */
  readonly bodyBytesMax: number;
  /** It sends again what was lost. Others are measured where nothing is lost, and only there. */
  readonly recovers: boolean;
  /** Serves on `host` until the process ends. */
  serve(host: string): Promise<EchoServer>;
  connect(address: string): Promise<EchoClient>;
}
