// Shares that a server holds for an upload which will not write them: each server is told, so that nothing
// half-written stays. Nobody waits long for a server that does not listen; it drops idle uploads by itself.

import type { Clock } from '../base/clock.ts';
import type { StorageServer, UploadRef } from '../storage/storage-server.ts';
import { isAtLeast, type Lateness, LateWatch, type Question } from './late-watch.ts';
import { Notice } from './notice.ts';

/** Tells servers never mind, and knows which of them have heard it. */
export class Abandoned {
  readonly #watch: LateWatch<undefined>;
  readonly #outstanding = new Map<Question<undefined>, AbortController>();
  readonly #changed = new Notice();

  constructor(clock: Clock) {
    this.#watch = new LateWatch({
      clock,
      floorMs: 100,
      unknownMs: 250,
      onLate: () => this.#changed.give(),
    });
  }

  /** Tells the server, now. Never throws: whether it heard is not the upload's problem. */
  abort(server: StorageServer, upload: UploadRef): void {
    const question = this.#watch.ask(server, undefined);
    const controller = new AbortController();
    this.#outstanding.set(question, controller);
    const settled = () => {
      this.#outstanding.delete(question);
      this.#changed.give();
    };
    server.abort(upload, { signal: controller.signal }).then(
      () => {
        question.answered();
        settled();
      },
      () => {
        question.dropped();
        settled();
      },
    );
  }

  /** Waits for the answers that are not `limit` yet, then gives up on the others. */
  async settle(limit: Lateness): Promise<void> {
    while ([...this.#outstanding.keys()].some(({ lateness }) => !isAtLeast(lateness, limit))) {
      await this.#changed.next();
    }
    this.#watch.close();
    for (const controller of this.#outstanding.values()) controller.abort(new Error('the upload is over'));
  }
}
