// Mistakes that a server could make with the calls of its clients.

import type { PlantedBug } from '../planted-bug.ts';

const SERVER_CALLS = 'src/protocol/server-calls.ts';
const SERVER_PEER = 'src/protocol/server-peer.ts';

export const SERVER_BUGS: readonly PlantedBug[] = [
  {
    name: 'stale-id-runs-again',
    story: 'a server takes a repeated request for a new one once its answer was delivered',
    edits: [{ file: SERVER_CALLS, find: 'if (this.#settled.has(callId)) {', replace: 'if (callId < 0) {' }],
    foundBy: 'at-most-once',
    withinSeeds: 50,
    workload: 'calls',
    faults: ['loss', 'duplication', 'reordering'],
  },
  {
    name: 'floor-ignored',
    story: 'a server runs what comes late of calls below the first incomplete one',
    edits: [{ file: SERVER_CALLS, find: 'if (callId < this.#floor) {', replace: 'if (callId < 0) {' }],
    foundBy: 'at-most-once',
    withinSeeds: 50,
    workload: 'calls',
    faults: ['loss', 'duplication', 'reordering'],
  },
  {
    name: 'forgotten-tombstone',
    story: 'a server forgets a CANCEL that overtook its request, and runs the request when it comes',
    edits: [{ file: SERVER_CALLS, find: 'this.#remember(start, end);', replace: '' }],
    foundBy: 'tombstone',
    withinSeeds: 30,
    workload: 'calls',
    faults: ['loss', 'reordering'],
  },
  {
    name: 'boot-id-ignored',
    story: 'a restarted server runs what was sent to the process before it',
    edits: [
      {
        file: SERVER_PEER,
        find: 'const meantForUs = hello.knownEpoch === 0 || hello.knownEpoch === this.incarnation;',
        replace: 'const meantForUs = true;',
      },
    ],
    foundBy: 'at-most-once',
    withinSeeds: 200,
    workload: 'calls',
    faults: ['server-crashes'],
  },
  {
    name: 'runs-from-a-recording',
    story: 'a server runs any method from a first datagram, which may be a copy of one that it has seen',
    edits: [
      {
        file: SERVER_PEER,
        find: "const early = hello.knownEpoch !== 0 ? 'not' : acceptance.fresh ? 'fresh' : 'doubtful';",
        replace: "const early = 'not';",
      },
    ],
    foundBy: 'at-most-once',
    withinSeeds: 50,
    workload: 'calls',
    faults: ['replays', 'server-crashes'],
  },
  {
    name: 'known-client-is-no-recording',
    story: 'a server runs any method from a first datagram of a client that it has heard since it forgot it',
    edits: [
      {
        file: SERVER_PEER,
        find: "const early = hello.knownEpoch !== 0 ? 'not' : acceptance.fresh ? 'fresh' : 'doubtful';",
        replace: "const early = hello.knownEpoch !== 0 || this.confirmed ? 'not' : 'doubtful';",
      },
    ],
    foundBy: 'at-most-once',
    withinSeeds: 60,
    workload: 'calls',
    faults: ['replays', 'server-crashes'],
  },
  {
    name: 'answer-kept-for-ever',
    story: 'a server keeps answers that were delivered',
    edits: [
      {
        file: SERVER_CALLS,
        find: "if (call.state !== 'answering') return;\n    this.#context.kept.remove(this.#client.account.answers, call);",
        replace: "if (call.state !== 'answering') return;",
      },
    ],
    foundBy: 'nothing-left',
    withinSeeds: 20,
    workload: 'calls',
  },
  {
    name: 'evicted-answer-not-told',
    story: 'a server that had to forget an answer lets its caller wait',
    edits: [
      {
        file: SERVER_CALLS,
        find: '// P-52\n    this.#forget(call);\n    this.#tellUnknown(call.callId);',
        replace: 'this.#forget(call);',
      },
    ],
    foundBy: 'settles',
    withinSeeds: 60,
    workload: 'calls',
    faults: ['loss'],
    config: { maxKeptResponseBytes: 1500 },
  },
  {
    name: 'answers-after-cancel',
    story: 'a server goes on sending the answer of a call that was cancelled',
    edits: [
      {
        file: 'src/protocol/server-call.ts',
        find: "return this.state !== 'answering';",
        replace: 'return false;',
      },
      {
        file: SERVER_CALLS,
        find: 'this.#releaseRequest(call);\n    this.#outbox.remove(call);',
        replace: 'this.#releaseRequest(call);',
      },
      { file: SERVER_CALLS, find: 'call.message.release(this.#context.messages);', replace: '' },
    ],
    foundBy: 'nothing-after-cancel',
    withinSeeds: 30,
    workload: 'calls',
    faults: ['loss'],
  },
  {
    name: 'handler-not-told',
    story: 'the signal of a handler never aborts',
    edits: [
      { file: 'src/datagram/datagram-transport.ts', find: 'request?.abort(event.reason);', replace: '' },
    ],
    foundBy: 'handler-told',
    withinSeeds: 30,
    workload: 'calls',
  },
  {
    name: 'expired-request-runs',
    story: 'a server runs a request whose caller has given up before it was whole',
    edits: [
      {
        file: SERVER_CALLS,
        find: 'if (call.deadlineAtMs <= nowMs) {\n      this.#refuse(',
        replace: 'if (call.deadlineAtMs < 0) {\n      this.#refuse(',
      },
    ],
    foundBy: 'expired',
    withinSeeds: 100,
    workload: 'calls',
    faults: ['loss', 'spikes'],
  },
  {
    name: 'unbounded-reassembly',
    story: 'messages that are partly here take as much memory as anybody likes',
    edits: [
      {
        file: 'src/base/memory-budget.ts',
        find: 'if (this.#usedBytes + bytes > this.#limitBytes) return false;',
        replace: '',
      },
    ],
    foundBy: 'bounded',
    withinSeeds: 30,
    workload: 'calls',
    config: { maxReassemblyBytes: 60_000 },
  },
  {
    name: 'memory-budget-leak',
    story: 'what a message took of the budget is given back only when it arrived whole',
    edits: [
      {
        file: 'src/protocol/arrival.ts',
        find: 'this.#context.memory.giveBack(',
        replace: 'if (this.message.remainingBytes === 0) this.#context.memory.giveBack(',
      },
    ],
    foundBy: 'nothing-left',
    withinSeeds: 30,
    workload: 'calls',
    faults: ['loss'],
  },
  {
    name: 'grants-not-bounded',
    story: 'a receiver grants the whole of a message as long as it may grant anything',
    edits: [
      {
        file: 'src/protocol/grants.ts',
        find: 'const limit = Math.min(message.total, message.arrivedBytes + grantAheadBytes, message.granted + budget);',
        replace: 'const limit = budget > 0 ? message.total : message.granted;',
      },
    ],
    foundBy: 'bounded',
    withinSeeds: 30,
    workload: 'calls',
    config: { maxGrantedBytes: 64 * 1024, grantAheadBytes: 32 * 1024, initialGrantBytes: 4096 },
  },
];
