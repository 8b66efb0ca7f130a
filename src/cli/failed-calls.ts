// `--verbose`: gathers the calls that fail while a verb runs, and explains them when it is done: one for each peer and
// kind of failure, with a count, however many there were.

import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Writable } from 'node:stream';
import type { CallEndMessage, CallName } from '../transport/diagnostics.ts';
import { RpcError } from '../transport/error.ts';
import { explain } from '../transport/explain.ts';
import { writeFully } from './io.ts';
import type { JsonLines } from './json-lines.ts';

const CHANNEL = 'nevermind:call:end';
/** Peers and kinds of failure that are told apart. */
const KINDS_MAX = 100;

/** Calls to one peer that failed in one way. */
interface Kind {
  readonly first: Error;
  readonly call: CallName;
  readonly code: string;
  count: number;
}

/** Listens from its making until it is disposed. */
export class FailedCalls implements Disposable {
  readonly #kinds = new Map<string, Kind>();
  #others = 0;
  readonly #listener = (message: unknown): void => this.#onEnd(message as CallEndMessage);

  constructor() {
    subscribe(CHANNEL, this.#listener);
  }

  [Symbol.dispose](): void {
    unsubscribe(CHANNEL, this.#listener);
  }

  /** On standard error, or as JSON lines where those were asked for. */
  async tell(stderr: Writable, json: JsonLines | undefined): Promise<void> {
    for (const { first, call, code, count } of this.#kinds.values()) {
      const explanation = explain(first);
      const report = first instanceof RpcError ? (first.report ?? null) : null;
      if (json !== undefined) {
        json.write('failedCall', { peer: call.peer, method: call.method, code, count, explanation, report });
      } else {
        await writeFully(stderr, `${explanation}${count === 1 ? '' : ` So did ${count - 1} more.`}\n`);
      }
    }
    if (this.#others > 0 && json === undefined) {
      await writeFully(stderr, `${this.#others} more calls failed, each in another way.\n`);
    }
  }

  #onEnd(message: CallEndMessage): void {
    if (message.outcome !== 'failed') return;
    const { error, call } = message;
    const code = error instanceof RpcError ? (error.detail?.code ?? error.code) : error.name;
    const key = `${call.peer} ${code}`;
    const kind = this.#kinds.get(key);
    if (kind !== undefined) kind.count++;
    else if (this.#kinds.size < KINDS_MAX) this.#kinds.set(key, { first: error, call, code, count: 1 });
    else this.#others++;
  }
}
