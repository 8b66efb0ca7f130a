// One system's client as a process of its own, where a suite runs it in a namespace: `client.ts NAME ADDRESS`, forked. It gets
// orders and answers each with what came of it.

import { type FirstCalls, firstCalls } from './first-calls.ts';
import { type OpenLoop, openLoop } from './open-loop.ts';
import { type Outlast, outlast } from './outlast.ts';
import type { EchoClient } from './system.ts';
import { systemNamed } from './systems.ts';

/** What a client can be told to do; it connects with the first order, but for `first calls`. `warm up`: one call after another. */
export type ClientOrder =
  | { readonly type: 'warm up'; readonly calls: number }
  | ({ readonly type: 'first calls' } & FirstCalls)
  | ({ readonly type: 'open loop' } & OpenLoop)
  | ({ readonly type: 'outlast' } & Outlast);

const [name, address] = process.argv.slice(2) as [string, string];
const system = systemNamed(name);
let client: Promise<EchoClient> | undefined;
process.on('disconnect', () => process.exit());
process.on('message', (order: ClientOrder) => {
  void obey(order).then((result) => process.send!(result));
});

async function obey(order: ClientOrder): Promise<unknown> {
  if (order.type === 'first calls') return firstCalls(system, address, order);
  client ??= system.connect(address);
  const one = await client;
  switch (order.type) {
    case 'warm up':
      for (let i = 0; i < order.calls; i++) await one.echo(Buffer.alloc(64));
      return 'warm';
    case 'open loop':
      return openLoop(one, order);
    case 'outlast':
      return outlast(one, order);
    default:
      return order satisfies never;
  }
}
