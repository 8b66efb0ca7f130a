// A process for verdicts.test.ts: calls a server that does not answer, and tells why it did not. Arguments: udp or tcp,
// and the address. Writes lines of JSON: that the peer was there, and what became of the call.

import { createEndpoint, createTcpEndpoint, explain, type RpcError } from '../../src/index.ts';

const [kind, address = ''] = process.argv.slice(2);
const host = '127.0.0.1';
const client = await (kind === 'udp'
  ? createEndpoint({ host })
  : createTcpEndpoint({ host, config: { pingAfterMs: 500, pingTimeoutMs: 1500 } }));
let why: string | undefined;
client.subscribe((event) => {
  if (event.type === 'peer:silent') why = event.why;
});
const peer = client.peer(address);
const tell = (error: unknown) => {
  const { code, message } = error as RpcError;
  console.log(JSON.stringify({ code, message, why, explanation: explain(error) }));
};
try {
  await peer.call('begin', null);
  const hanging = peer.call('hang', null, { deadline: Number.POSITIVE_INFINITY });
  console.log(JSON.stringify({ running: true }));
  await hanging;
} catch (error) {
  tell(error);
}
await client.close();
