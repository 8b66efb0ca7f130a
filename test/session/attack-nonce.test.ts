// Records every key and nonce with which anything is sealed, over several seeds, restarts and lossy links.

import { expect, test, vi } from 'vitest';
import { SimPair } from '../datagram/sim-pair.ts';

const used = vi.hoisted(() => ({ pairs: new Set<string>(), repeats: [] as string[], sealed: 0 }));

vi.mock('sodium-native', async (load) => {
  const sodium = await load<typeof import('sodium-native')>();
  const seal: typeof sodium.crypto_aead_chacha20poly1305_ietf_encrypt = (c, m, ad, nsec, npub, k) => {
    const pair = `${Buffer.from(k).toString('hex')} ${Buffer.from(npub).toString('hex')}`;
    if (used.pairs.has(pair)) used.repeats.push(pair);
    used.pairs.add(pair);
    used.sealed++;
    return sodium.crypto_aead_chacha20poly1305_ietf_encrypt(c, m, ad, nsec, npub, k);
  };
  return { ...sodium, crypto_aead_chacha20poly1305_ietf_encrypt: seal };
});

// P-6
test('attack: nonce reuse: no key seals twice with one number, over seeds, losses and restarts', async () => {
  for (let seed = 1; seed <= 4; seed++) {
    const config = { rekeyAfterMs: 500, sessionRefusedAfterMs: 900 };
    const pair = new SimPair({ seed, link: { lossProbability: 0.1 }, config });
    for (let boot = 0; boot < 3; boot++) {
      pair.server.handle('echo', (body) => body);
      for (let call = 0; call < 20; call++) {
        const calls = [1, 2, 3].map(() => pair.peer.call('echo', new Uint8Array(3000), { idempotent: true }));
        await pair.run(Promise.allSettled(calls));
        await pair.pass(60);
      }
      await pair.run(pair.server.close());
      pair.startServer();
    }
    await pair.close();
  }
  expect(used.repeats).toEqual([]);
  expect(used.sealed).toBeGreaterThan(1000);
  expect(new Set([...used.pairs].map((pair) => pair.split(' ')[0])).size).toBeGreaterThan(50);
});
