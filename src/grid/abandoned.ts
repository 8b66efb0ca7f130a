// Shares that a server holds for an upload which will not write them: each server is told, so that nothing
// half-written stays. Nobody waits long for a server that does not listen; it drops idle uploads by itself.

import type { Clock } from '../base/clock.ts';
import type { StorageServer, UploadRef } from '../storage/storage-server.ts';
import { Notice } from './notice.ts';

/** Tells servers never mind, and knows which of them have not answered yet. */
export class Abandoned {
  readonly #clock: Clock;
  /** What can be cancelled, and whether its server was late or had failed when it was told. */
  readonly #outstanding = new Map<AbortController, { readonly isSuspect: boolean }>();
  readonly #changed = new Notice();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Tells the server, now. Never throws: whether it heard is not the upload's problem.
   * @param isSuspect it was late or failed, so that an answer is not to be counted on.
   */
  abort(server: StorageServer, upload: UploadRef, isSuspect: boolean): void {
    const controller = new AbortController();
    this.#outstanding.set(controller, { isSuspect });
    const settled = () => {
      this.#outstanding.delete(controller);
      this.#changed.give();
    };
    server.abort(upload, { signal: controller.signal }).then(settled, settled);
  }

  /** Waits for the answers, for suspect servers' not as long as for others', then gives up on the rest. */
  async settle({ suspectsMs, othersMs }: { suspectsMs: number; othersMs: number }): Promise<void> {
    const startMs = this.#clock.now();
    const isWaitedFor = ({ isSuspect }: { readonly isSuspect: boolean }) =>
      this.#clock.now() < startMs + (isSuspect ? suspectsMs : othersMs);
    const timers = [suspectsMs, othersMs].map((delayMs) =>
      this.#clock.setTimer(delayMs + 1, () => this.#changed.give()),
    );
    while ([...this.#outstanding.values()].some(isWaitedFor)) await this.#changed.next();
    for (const timer of timers) timer.cancel();
    for (const controller of this.#outstanding.keys()) controller.abort(new Error('the upload is over'));
  }
}
