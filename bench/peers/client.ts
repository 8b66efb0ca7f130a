// One system's client as a process of its own, where the suite runs it in a namespace: `client.ts NAME ADDRESS`, forked. It
// gets an {@link OpenLoop} and answers with its result.

import { type OpenLoop, openLoop } from './open-loop.ts';
import { systemNamed } from './systems.ts';

const [name, address] = process.argv.slice(2) as [string, string];
process.on('disconnect', () => process.exit());
process.on('message', (load: OpenLoop) => {
  void systemNamed(name)
    .connect(address)
    .then((client) => openLoop(client, load))
    .then((result) => process.send!(result));
});
