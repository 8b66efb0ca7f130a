// The smallest Transport there is: a map of handlers, called through CBOR as a real one would. No network, no
// time; a test may look at what passes and forge what comes back.

import { Encoder } from 'cbor-x';
import { RetryBudget } from '../../src/base/retry-budget.ts';
import { VirtualClock } from '../../src/sim/clock.ts';
import { RpcError } from '../../src/transport/error.ts';
import type { TransportStatus } from '../../src/transport/status.ts';
import type { CallOptions, Handler, HandlerOptions, Peer, Transport } from '../../src/transport/transport.ts';

const cbor = new Encoder({ tagUint8Array: false, useRecords: false });

export class FakeTransport implements Transport {
  readonly address: string = 'nm://fake:1';
  readonly clock: VirtualClock = new VirtualClock();
  readonly retries: RetryBudget = new RetryBudget();
  readonly handlers: Map<string, { handler: Handler; options: HandlerOptions | undefined }> = new Map();
  readonly calls: { method: string; body: unknown; options: CallOptions | undefined }[] = [];
  /** When set, what every call is answered with. */
  forged: { readonly answer: unknown } | undefined;

  handle(method: string, handler: Handler, options?: HandlerOptions): void {
    if (this.handlers.has(method)) throw new Error(`${method} has a handler already`);
    this.handlers.set(method, { handler, options });
  }

  peer(address: string): Peer {
    return {
      address,
      clock: this.clock,
      retries: this.retries,
      health: 'live',
      hasLearnt: () => true,
      call: (method, body, options) => this.#call(method, body, options),
      stream: () => {
        throw new Error('there are no streams here');
      },
      overdueAfterMs: () => 100,
    };
  }

  status(): TransportStatus {
    return {
      address: this.address,
      atMs: this.clock.now(),
      counters: {},
      gauges: {},
      retryTokens: 0,
      peers: [],
      silentPeers: [],
      callers: [],
    };
  }

  subscribe(): () => void {
    return () => {};
  }

  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}

  async #call(method: string, body: unknown, options: CallOptions | undefined): Promise<unknown> {
    this.calls.push({ method, body, options });
    if (this.forged !== undefined) return throughCbor(this.forged.answer);
    const entry = this.handlers.get(method);
    if (entry === undefined) throw new RpcError('UNKNOWN_METHOD', method);
    const signal = options?.signal ?? new AbortController().signal;
    const context = { signal, deadlineAtMs: Number.POSITIVE_INFINITY, from: this.address };
    try {
      return throughCbor(await entry.handler(throughCbor(body), context));
    } catch (error) {
      signal.throwIfAborted();
      const { code, name, message } = error as { code?: unknown; name: string; message: string };
      const detail = { code: typeof code === 'string' ? code : name, message };
      throw new RpcError('HANDLER_FAILED', message, { executed: 'yes', detail });
    }
  }
}

function throughCbor(value: unknown): unknown {
  return cbor.decode(cbor.encode(value));
}
