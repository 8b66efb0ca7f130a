// The calls that the clients of a run make, and the handlers that they meet. What must be true of them is in
// call-ledger.ts.

import type { Clock } from '../../src/base/clock.ts';
import type { SeededRandom } from '../../src/sim/random.ts';
import type { HandlerContext } from '../../src/transport/transport.ts';
import {
  answerTo,
  type CallLedger,
  type CallRecord,
  type CallSpec,
  isPattern,
  pattern,
} from './call-ledger.ts';
import type { ClientNode, ServerNode } from './nodes.ts';
import type { SimPlan } from './plan.ts';
import type { Findings } from './violations.ts';

/** All calls of a run, drawn before it begins. */
export function drawCalls(plan: SimPlan, random: SeededRandom): CallSpec[] {
  const specs: CallSpec[] = [];
  for (let client = 0; client < plan.clients; client++) {
    let group: { readonly id: number; readonly atMs: number; readonly cancelAfterMs: number } | undefined;
    for (let i = 0; i < plan.callsPerClient; i++) {
      const token = specs.length;
      // A few calls in a row may be one operation, which is cancelled as a whole.
      if (group !== undefined && random.chance(0.2)) group = undefined;
      if (group === undefined && random.chance(0.05)) {
        group = {
          id: token,
          atMs: random.between(0, plan.safetyMs),
          cancelAfterMs: random.pick([0, 1, 30, 300]),
        };
      }
      const behaviour = random.chance(0.1) ? 'hang' : random.chance(0.1) ? 'fail' : 'answer';
      const patienceMs = random.pick([20, 500, 5000]);
      const cancelled = random.chance(behaviour === 'hang' ? 0.5 : 0.15);
      specs.push({
        token,
        client,
        server: random.int(0, plan.servers - 1),
        atMs: group?.atMs ?? random.between(0, plan.safetyMs),
        early: random.chance(0.3),
        idempotent: random.chance(0.3),
        requestBytes: drawSize(random),
        answerBytes: drawSize(random),
        workMs: random.pick([0, 0, 0, 2, 8, 50, 1500]),
        behaviour,
        // Who never answers would be waited for without end, unless somebody says never mind.
        deadline: drawDeadline(random, behaviour === 'hang' && !cancelled, patienceMs),
        cancelAfterMs: group?.cancelAfterMs ?? (cancelled ? random.pick([0, 0.05, 3, 20, 400]) : undefined),
        group: group?.id,
      });
    }
  }
  return specs;
}

function drawSize(random: SeededRandom): number {
  if (random.chance(0.04)) return random.int(70_000, 250_000);
  return random.chance(0.2) ? random.int(1000, 30_000) : random.int(0, 200);
}

function drawDeadline(random: SeededRandom, mustBe: boolean, patienceMs: number): CallSpec['deadline'] {
  if (mustBe || random.chance(0.2)) return patienceMs;
  return random.chance(0.3) ? 'adaptive' : Number.POSITIVE_INFINITY;
}

/** Makes the calls of one client process: those whose time has not come yet. `isOver`: the time for all of them has passed. */
export function makeCalls(
  node: ClientNode,
  servers: readonly ServerNode[],
  specs: readonly CallSpec[],
  clock: Clock,
  ledger: CallLedger,
  findings: Findings,
  isOver: () => boolean,
): void {
  const groups = new Map<number, { readonly controller: AbortController; readonly records: CallRecord[] }>();
  for (const spec of specs) {
    if (spec.client !== node.index || spec.atMs < clock.now()) continue;
    clock.setTimer(spec.atMs - clock.now(), () => call(spec));
  }

  function call(spec: CallSpec): void {
    const { transport } = node;
    if (transport === undefined || ledger.records.has(spec.token) || isOver()) return;
    const inGroup = spec.group === undefined ? undefined : groups.get(spec.group);
    const controller = inGroup?.controller ?? new AbortController();
    const { signal } = controller;
    if (signal.aborted) return;
    const promise = transport.peer(servers[spec.server]!.address).call(methodOf(spec), requestOf(spec), {
      signal,
      deadline: spec.deadline,
      idempotent: spec.idempotent,
      expectedBytes: spec.answerBytes,
    });
    const record = ledger.begin(spec, signal, promise);
    if (inGroup !== undefined) {
      inGroup.records.push(record);
      return;
    }
    const records = [record];
    if (spec.group !== undefined) groups.set(spec.group, { controller, records });
    if (spec.cancelAfterMs === undefined) return;
    const cancel = () => {
      for (const each of records) ledger.cancelling(each);
      controller.abort(new Error('never mind'));
      if (records.length > 1) findings.saw('group of calls cancelled together');
    };
    if (spec.cancelAfterMs > 0 || spec.group !== undefined) {
      // A group is cancelled a turn after its last call at the earliest.
      clock.setTimer(spec.cancelAfterMs, cancel);
    } else {
      findings.saw('call cancelled before anything was sent');
      cancel();
    }
  }
}

function methodOf(spec: CallSpec): string {
  return spec.early ? 'early' : 'late';
}

function requestOf(spec: CallSpec): unknown {
  const { token, answerBytes, workMs, behaviour } = spec;
  return { token, answerBytes, workMs, behaviour, data: pattern(token, spec.requestBytes) };
}

interface Request extends Pick<CallSpec, 'token' | 'answerBytes' | 'workMs' | 'behaviour'> {
  readonly data: Uint8Array;
}

export interface RunningHandler {
  readonly token: number;
  readonly server: number;
  readonly incarnation: number;
}

/** Handlers at work in the processes of a run. */
export class RunningHandlers {
  readonly #running = new Set<RunningHandler>();

  add(entry: RunningHandler): () => void {
    this.#running.add(entry);
    return () => this.#running.delete(entry);
  }

  /** Those that still run in the present processes of these servers. */
  of(servers: readonly ServerNode[]): RunningHandler[] {
    return [...this.#running].filter(
      ({ server, incarnation }) => servers[server]!.incarnation === incarnation,
    );
  }
}

/** Registers the handlers of one server process. */
export function serveCalls(
  node: ServerNode,
  clock: Clock,
  ledger: CallLedger,
  running: RunningHandlers,
  findings: Findings,
): void {
  const { incarnation, index } = node;
  const handle = async (body: unknown, { signal }: HandlerContext): Promise<unknown> => {
    const { token, answerBytes, workMs, behaviour, data } = body as Request;
    const execution = ledger.ran(token, index, incarnation);
    const requestBytes = ledger.records.get(token)?.spec.requestBytes ?? -1;
    if (!isPattern(token, data, requestBytes)) {
      findings.violated('right-request', `call ${token} reached its handler with other bytes`);
    }
    if (behaviour === 'fail' && workMs === 0) throw new Error(`told to fail ${token}`);
    if (behaviour === 'answer' && workMs === 0) return answerTo(token, requestBytes, answerBytes);
    const end = running.add({ token, server: index, incarnation });
    try {
      const told = await toldOrAfter(signal, behaviour === 'hang' ? Number.POSITIVE_INFINITY : workMs, clock);
      if (told) {
        findings.saw('handler told that nobody waits');
        if (ledger.records.get(token)?.settled === 'cancelled')
          findings.saw('call cancelled while its handler ran');
      }
    } finally {
      end();
      execution.ended = true;
    }
    if (behaviour === 'fail') throw new Error(`told to fail ${token}`);
    return answerTo(token, requestBytes, answerBytes);
  };
  node.transport!.handle('late', handle);
  node.transport!.handle('early', handle, { early: 'safe' });
}

/** True when the signal aborted first. */
function toldOrAfter(signal: AbortSignal, afterMs: number, clock: Clock): Promise<boolean> {
  if (signal.aborted) return Promise.resolve(true);
  return new Promise((resolve) => {
    const timer = clock.setTimer(afterMs, () => {
      signal.removeEventListener('abort', onAbort);
      resolve(false);
    });
    const onAbort = () => {
      timer.cancel();
      resolve(true);
    };
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
