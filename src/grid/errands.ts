// What servers are told beside the work: never mind, keep this, that one is damaged. Nobody waits long for a server that
// does not listen, and whether it heard is never the caller's failure.

import type { Clock } from '../base/clock.ts';
import type { LeaseSecretsFor, StorageServer, UploadRef } from '../storage/storage-server.ts';
import { Notice } from './notice.ts';

/** Tells servers things, and knows which of them have not answered yet. No method throws. */
export class Errands {
  readonly #clock: Clock;
  readonly #outstanding = new Map<AbortController, Errand>();
  readonly #changed = new Notice();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Nobody will write this share: the server need not hold it for us. One that does not hear it drops idle uploads by
   * itself.
   * @param isSuspect it was late or failed, so that an answer is not to be counted on.
   */
  abort(server: StorageServer, upload: UploadRef, isSuspect: boolean): void {
    this.#run(isSuspect, (signal) => server.abort(upload, { signal }));
  }

  /** The shares that the server has of a file shall stay. */
  lease(server: StorageServer, storageIndex: Uint8Array, lease: LeaseSecretsFor): void {
    this.#run(false, (signal) => server.addLease(storageIndex, lease, { signal }));
  }

  /** A share is not what it should be. */
  adviseCorrupt(server: StorageServer, storageIndex: Uint8Array, shareNumber: number, what: string): void {
    this.#run(false, (signal) => server.adviseCorrupt(storageIndex, shareNumber, what, { signal }));
  }

  /**
   * Waits for the answers until each server has had so much time since it was told, suspect ones less than others; then
   * gives up on the rest.
   */
  async settle({ suspectsMs, othersMs }: { suspectsMs: number; othersMs: number }): Promise<void> {
    const leftMs = ({ isSuspect, toldAtMs }: Errand) =>
      toldAtMs + (isSuspect ? suspectsMs : othersMs) - this.#clock.now();
    const timers = [...this.#outstanding.values()].map((errand) =>
      this.#clock.setTimer(Math.max(0, leftMs(errand)) + 1, () => this.#changed.give()),
    );
    while ([...this.#outstanding.values()].some((errand) => leftMs(errand) > 0)) await this.#changed.next();
    for (const timer of timers) timer.cancel();
    for (const controller of this.#outstanding.keys()) controller.abort(new Error('the work is over'));
  }

  #run(isSuspect: boolean, tell: (signal: AbortSignal) => Promise<void>): void {
    const controller = new AbortController();
    this.#outstanding.set(controller, { isSuspect, toldAtMs: this.#clock.now() });
    const settled = () => {
      this.#outstanding.delete(controller);
      this.#changed.give();
    };
    tell(controller.signal).then(settled, settled);
  }
}

interface Errand {
  /** Its server was late or had failed when it was told. */
  readonly isSuspect: boolean;
  readonly toldAtMs: number;
}
