// Mistakes in sessions: packets, acknowledgements, addresses, and whether a peer is there.

import type { PlantedBug } from '../planted-bug.ts';

export const SESSION_BUGS: readonly PlantedBug[] = [
  {
    name: 'acks-what-never-came',
    story: 'an ACK names everything up to the largest packet received',
    edits: [
      {
        file: 'src/protocol/received-packets.ts',
        find: '.map(([start, end]): IdRange => [start, end - 1]);',
        replace: '.slice(0, 1).map(([, end]): IdRange => [0, end - 1]);',
      },
    ],
    foundBy: 'honest-ack',
    withinSeeds: 20,
    workload: 'calls',
  },
  {
    name: 'forged-packets-taken',
    story: 'a packet that does not open counts as received',
    edits: [
      {
        file: 'src/session/sealed-keys.ts',
        find: "catch {\n      return 'forged';\n    }\n    this.#window.add",
        replace: 'catch {}\n    this.#window.add',
      },
    ],
    foundBy: 'settles',
    withinSeeds: 30,
    workload: 'calls',
    faults: ['corruption'],
  },
  {
    name: 'lost-packets-forgotten',
    story: 'what was in a packet that counts as lost is not sent again',
    edits: [
      {
        file: 'src/protocol/sent-packets.ts',
        find: 'this.#forget(packet);\n      requeue(packet);',
        replace: 'this.#forget(packet);',
      },
    ],
    foundBy: 'settles',
    withinSeeds: 30,
    workload: 'calls',
    faults: ['loss'],
  },
  {
    name: 'amplifies',
    story: 'thirty times what a stranger sends goes to the address that it names',
    edits: [
      {
        file: 'src/protocol/path.ts',
        find: 'const AMPLIFICATION_FACTOR = 3;',
        replace: 'const AMPLIFICATION_FACTOR = 30;',
      },
    ],
    foundBy: 'amplification',
    withinSeeds: 40,
    workload: 'calls',
  },
  {
    name: 'new-address-trusted',
    story: 'an answer goes to the address that a packet names without asking there first',
    edits: [
      {
        file: 'src/protocol/link.ts',
        find: 'this.path.address = address;\n    this.path.distrust();',
        replace: 'this.path.address = address;',
      },
    ],
    foundBy: 'amplification',
    withinSeeds: 40,
    workload: 'calls',
    faults: ['nat-rebinding'],
  },
  {
    name: 'session-ids-collide',
    story: 'ids are drawn from sixteen',
    edits: [
      {
        file: 'src/protocol/endpoint.ts',
        find: 'const id = options.protection.sessionId((high & 0x1f) * 65_536 + middle * 256 + low);\n        // P-4\n        if (!this.#sessions.has(id)) return id;',
        replace: 'return options.protection.sessionId((high + middle + low) % 16);',
      },
    ],
    foundBy: 'packet-once',
    withinSeeds: 20,
    workload: 'calls',
  },
  {
    name: 'handshake-given-up',
    story: 'a handshake that was lost with a cancelled call is not begun again for the next one',
    edits: [
      {
        file: 'src/protocol/handshakes.ts',
        find: 'if (this.#outbox.hasMessages || this.#outbox.hasControl) this.want(nowMs);',
        replace: "if (state === 'idle') this.want(nowMs);",
      },
    ],
    foundBy: 'settles',
    withinSeeds: 40,
    workload: 'calls',
    faults: ['loss', 'partitions'],
  },
  {
    name: 'parked-for-ever',
    story: 'a client does not ask again for what the server has parked for a session that is gone',
    edits: [
      {
        file: 'src/protocol/client-peer.ts',
        find: 'if (!this.#link.confirmedThere) this.calls.askAgain();',
        replace: '',
      },
    ],
    foundBy: 'settles',
    withinSeeds: 1000,
    workload: 'calls',
    faults: ['loss', 'spikes', 'reordering'],
  },
  {
    name: 'probes-without-calls',
    story: 'a client goes on asking whether a peer is there though nobody waits for it',
    edits: [
      {
        file: 'src/protocol/health.ts',
        find: 'if (!hasCalls || nowMs < this.#lastContactAtMs + askAfterMs)',
        replace: 'if (nowMs < this.#lastContactAtMs + askAfterMs)',
      },
      {
        file: 'src/protocol/health.ts',
        find: 'return hasCalls && unansweredProbes === 0 ?',
        replace: 'return unansweredProbes === 0 ?',
      },
    ],
    foundBy: 'quiet',
    withinSeeds: 10,
    workload: 'calls',
  },
  {
    name: 'stall-blamed-on-peers',
    story: 'the time that our own process stood still counts as the time of a round trip',
    edits: [
      {
        file: 'src/protocol/client-peer.ts',
        find: 'this.path.stalledUntilMs = nowMs;',
        replace: '',
      },
    ],
    foundBy: 'plausible-rtt',
    withinSeeds: 100,
    workload: 'calls',
    faults: ['pauses'],
  },
];
