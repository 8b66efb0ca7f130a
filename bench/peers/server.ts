// One system's server as a process of its own: `server.ts NAME HOST`, forked. It says where it is, then tells what processor
// time it has used whenever it is asked.

import { systemNamed } from './systems.ts';

/** What the server says. */
export type ServerMessage =
  | { readonly type: 'ready'; readonly address: string }
  | { readonly type: 'usage'; readonly cpuUs: number };

const [name, host] = process.argv.slice(2) as [string, string];
const { address } = await systemNamed(name).serve(host);
const say = (message: ServerMessage): void => void process.send!(message);
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  say({ type: 'usage', cpuUs: user + system });
});
process.on('disconnect', () => process.exit());
say({ type: 'ready', address });
