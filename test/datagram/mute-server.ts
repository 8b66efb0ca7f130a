// A process for verdicts.test.ts: a server whose handler never answers. Arguments: udp or tcp, and the host to bind to.
// Writes its address as a line of JSON.

import { createEndpoint, createTcpEndpoint } from '../../src/index.ts';

const [kind, host = '127.0.0.1'] = process.argv.slice(2);
const server = await (kind === 'udp' ? createEndpoint({ host }) : createTcpEndpoint({ host }));
server.handle('begin', () => true, { early: 'safe' });
server.handle('hang', () => new Promise(() => {}));
console.log(JSON.stringify({ address: server.address }));
