// Mistakes that a client could make with its calls.

import type { PlantedBug } from '../planted-bug.ts';

const CLIENT_CALLS = 'src/protocol/client-calls.ts';
const CLIENT_CALL = 'src/protocol/client-call.ts';
const CLIENT_PEER = 'src/protocol/client-peer.ts';
const STREAM_CALL = 'src/transport/stream-call.ts';
const PENDING_CALLS = 'src/transport/pending-calls.ts';

export const CLIENT_BUGS: readonly PlantedBug[] = [
  {
    name: 'sent-again-after-restart',
    story: 'a client sends calls again that may have run before the server restarted',
    edits: [
      {
        file: CLIENT_CALLS,
        find: "if (call.state !== 'sending' && !call.request.idempotent) {",
        replace: "if (call.state === 'settled') {",
      },
    ],
    foundBy: 'at-most-once',
    withinSeeds: 30,
    workload: 'calls',
    faults: ['server-crashes'],
  },
  {
    name: 'restart-not-noticed',
    story: 'a client takes a restarted server for the one that it called',
    edits: [{ file: CLIENT_PEER, find: 'if (newIncarnation) this.calls.onRestart(nowMs);', replace: '' }],
    foundBy: 'settles',
    withinSeeds: 30,
    workload: 'calls',
    faults: ['server-crashes'],
  },
  {
    name: 'resolves-after-cancel',
    story: 'a cancelled call stays in the table and is answered later',
    edits: [
      {
        file: CLIENT_CALLS,
        find: 'this.#recordAtLeast(call, nowMs);\n    this.#settle(call, true);\n    return true;',
        replace: "if (call.state !== 'queued') this.#cancels.add(callId);\n    return true;",
      },
    ],
    foundBy: 'nothing-after-cancel',
    withinSeeds: 20,
    workload: 'calls',
  },
  {
    name: 'cancel-never-repeated',
    story: 'a CANCEL that is lost is not sent again',
    edits: [
      {
        file: 'src/protocol/control-frames.ts',
        find: 'onLost(): void {\n    if (this.matters) this.#outbox.control(this);\n  }\n}\n\nfunction disjoint',
        replace: 'onLost(): void {}\n}\n\nfunction disjoint',
      },
    ],
    foundBy: 'cancel-arrives',
    withinSeeds: 500,
    workload: 'calls',
    faults: ['loss', 'bursts'],
  },
  {
    name: 'cancel-not-sent',
    story: 'a client forgets a cancelled call without telling the server',
    edits: [{ file: CLIENT_CALLS, find: 'if (tellPeer && known) this.#cancels.add(callId);', replace: '' }],
    foundBy: 'cancel-arrives',
    withinSeeds: 100,
    workload: 'calls',
  },
  {
    name: 'un-queue-forgotten',
    story: 'what waits to be sent of a call goes on to be sent after its cancel',
    edits: [
      {
        file: CLIENT_CALLS,
        find: 'this.#outbox.remove(call);\n    call.message.release(this.#context.messages);',
        replace: '',
      },
      {
        file: 'src/protocol/outbox.ts',
        find: 'while (!outgoing.dead && outgoing.message.sendable) {',
        replace: 'while (outgoing.message.sendable) {',
      },
    ],
    foundBy: 'nothing-after-cancel',
    withinSeeds: 20,
    workload: 'calls',
    faults: ['slow-uplink'],
  },
  {
    name: 'lost-pieces-of-cancelled-calls',
    story: 'a piece that is lost is sent again though its call was cancelled',
    edits: [
      { file: CLIENT_CALL, find: "return this.state === 'settled';", replace: 'return false;' },
      { file: CLIENT_CALLS, find: 'call.message.release(this.#context.messages);', replace: '' },
    ],
    foundBy: 'nothing-after-cancel',
    withinSeeds: 20,
    workload: 'calls',
    faults: ['loss'],
  },
  {
    name: 'silent-one-by-one',
    story: 'when a peer is silent only the oldest call fails, the others wait for their own turn',
    edits: [
      {
        file: CLIENT_CALLS,
        find: 'const calls = this.#calls.all();\n    const peer',
        replace: 'const calls = this.#calls.all().slice(0, 1);\n    const peer',
      },
    ],
    foundBy: 'silent-at-once',
    withinSeeds: 60,
    workload: 'calls',
    faults: ['black-holes'],
  },
  {
    name: 'deadline-forgotten',
    story: 'a call that was told to be overdue has no deadline any more',
    edits: [
      {
        file: CLIENT_CALL,
        find: 'return Math.min(this.request.deadlineAtMs, repeatAtMs',
        replace:
          'return Math.min(this.overdue.told ? Number.POSITIVE_INFINITY : this.request.deadlineAtMs, repeatAtMs',
      },
    ],
    foundBy: 'deadline',
    withinSeeds: 30,
    workload: 'calls',
  },
  {
    name: 'says-not-executed',
    story: 'a failed call says that it was not executed though all of its request was sent',
    edits: [
      {
        file: CLIENT_CALLS,
        find: "return call.state === 'queued' || call.state === 'sending' ? 'no' : 'unknown';",
        replace: "return call.state !== 'answering' ? 'no' : 'unknown';",
      },
    ],
    foundBy: 'executed-no',
    withinSeeds: 20,
    workload: 'calls',
  },
  {
    name: 'pieces-as-they-come',
    story: 'the reader of a stream gets its pieces in the order in which they arrive',
    edits: [
      {
        file: STREAM_CALL,
        find: 'this.#arrived.set(seq, arrived);',
        replace: 'this.#arrived.set(this.#received, arrived);',
      },
    ],
    foundBy: 'stream-bytes',
    withinSeeds: 30,
    workload: 'calls',
    faults: ['reordering'],
  },
  {
    name: 'stream-goes-on',
    story: 'the server does not hear that nobody reads a stream any more',
    edits: [{ file: STREAM_CALL, find: 'this.#all.abort(reason);', replace: '' }],
    foundBy: 'stream-ends',
    withinSeeds: 150,
    workload: 'calls',
  },
  {
    name: 'listener-left',
    story: 'a call that settled leaves its listener on the signal',
    edits: [
      {
        file: PENDING_CALLS,
        find: 'if (call.signal !== undefined) this.#signals.remove(call.signal, callId);',
        replace: '',
      },
    ],
    foundBy: 'nothing-left',
    withinSeeds: 20,
    workload: 'calls',
  },
  {
    name: 'call-timer-left',
    story: 'the timer of a call that settled stays armed',
    edits: [
      {
        file: CLIENT_CALLS,
        find: 'call.timer = this.#timers.set(call.timer, call, Number.POSITIVE_INFINITY);',
        replace: '',
      },
    ],
    foundBy: 'settles-once',
    withinSeeds: 20,
    workload: 'calls',
  },
  {
    name: 'timer-left-after-close',
    story: 'a closed transport leaves its timer armed',
    edits: [
      {
        file: 'src/datagram/datagram-transport.ts',
        find: 'this.#timer?.cancel();\n    this.#timer = undefined;',
        replace: '',
      },
    ],
    foundBy: 'nothing-left',
    withinSeeds: 20,
    workload: 'calls',
  },
];
