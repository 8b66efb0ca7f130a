// The diagrams of state machines in spec/, drawn from their tables in the source. `npm run diagrams` writes them;
// protocol-tables.test.ts fails while they are stale.

import { CLIENT_CALL_TRANSITIONS } from '../../src/protocol/client-call.ts';
import { HANDSHAKE_TRANSITIONS } from '../../src/protocol/handshakes.ts';
import { HEALTH_TRANSITIONS } from '../../src/protocol/health.ts';
import { PATH_MTU_TRANSITIONS } from '../../src/protocol/path-mtu.ts';
import { SERVER_CALL_TRANSITIONS } from '../../src/protocol/server-call.ts';

/** By state, what each event leads to; the first state is the initial one. */
export type Transitions = Readonly<Record<string, Readonly<Partial<Record<string, string>>>>>;

/** By the name that a document gives in `<!-- states: NAME -->`, right before the diagram. */
export const STATE_MACHINES: Readonly<Record<string, Transitions>> = {
  'client-call': CLIENT_CALL_TRANSITIONS,
  'server-call': SERVER_CALL_TRANSITIONS,
  handshakes: HANDSHAKE_TRANSITIONS,
  'path-mtu': PATH_MTU_TRANSITIONS,
  health: HEALTH_TRANSITIONS,
};

/** The places where diagrams stand. */
const PLACE = /<!-- states: ([\w-]+) -->\n(?:```mermaid\n[\s\S]*?```\n)?/g;

/** Names of the machines that a document draws. */
export function drawnIn(document: string): string[] {
  return [...document.matchAll(PLACE)].map(([, name]) => name!);
}

/** The document with all its diagrams drawn anew. @throws Error for a machine that does not exist. */
export function withDiagrams(document: string): string {
  return document.replace(PLACE, (_, name: string) => {
    const machine = STATE_MACHINES[name];
    if (machine === undefined) throw new Error(`there is no state machine "${name}"`);
    return `<!-- states: ${name} -->\n\`\`\`mermaid\n${diagramOf(machine)}\`\`\`\n`;
  });
}

/** Mermaid text. Events that lead the same way share an arrow. */
export function diagramOf(machine: Transitions): string {
  const lines = ['stateDiagram-v2', `    [*] --> ${Object.keys(machine)[0]}`];
  for (const [from, events] of Object.entries(machine)) {
    const labels = new Map<string, string[]>();
    for (const [event, to] of Object.entries(events)) {
      if (to !== undefined) labels.set(to, [...(labels.get(to) ?? []), event]);
    }
    for (const [to, names] of labels) lines.push(`    ${from} --> ${to} : ${names.join(', ')}`);
    if (labels.size === 0) lines.push(`    ${from} --> [*]`);
  }
  return `${lines.join('\n')}\n`;
}
