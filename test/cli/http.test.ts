// A node that also speaks Tahoe-LAFS's HTTP protocol, and a gateway in front of it: three ways to the same shares.

import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { EXIT } from '../../src/cli/exit-codes.ts';
import { finished, firstLineOf, run, spawnCli, testFolder } from './cli-fixture.ts';

test('a file put through a gateway is got over HTTP; a node keeps its address over a restart', async () => {
  const folder = await testFolder();
  const dir = join(folder, 'node');
  const node = spawnCli(['node', '--dir', dir, '--http', '0']);
  const lines = await firstLinesOf(node, 2);
  expect(lines[0]).toMatch(/^nm:\/\//);
  expect(lines[1]).toMatch(/^pb:\/\/[\w-]{43}@127\.0\.0\.1:\d+\/[a-z2-7]{32}#v=1$/);
  const overHttp = join(folder, 'http.yaml');
  await writeFile(overHttp, `servers: ["${lines[1]}"]`);

  const gateway = spawnCli(['gateway', '--server', lines[1]!]);
  const overGateway = join(folder, 'gateway.yaml');
  await writeFile(overGateway, `servers: ["${await firstLineOf(gateway)}"]`);

  const text = 'Through the gateway, and back over HTTP. '.repeat(100);
  const file = join(folder, 'file');
  await writeFile(file, text);
  const shares = ['--needed', '2', '--happy', '1', '--total', '3'];
  const put = await run(['put', file, ...shares, '--grid', overGateway]);
  expect(put).toMatchObject({ exitCode: EXIT.ok, stderr: '' });
  const got = await run(['get', put.stdout.trim(), '--grid', overHttp]);
  expect(got).toMatchObject({ exitCode: EXIT.ok, stdout: text });

  for (const secret of ['http.pem', 'http.secret']) {
    expect((await stat(join(dir, secret))).mode & 0o777).toBe(0o600);
  }
  for (const child of [gateway, node]) {
    child.kill('SIGINT');
    expect((await finished(child)).exitCode).toBe(EXIT.ok);
  }
  const again = spawnCli(['node', '--dir', dir, '--http', '0']);
  const withoutPort = (address: string): string => address.replace(/:\d+\//, '/');
  expect(withoutPort((await firstLinesOf(again, 2))[1]!)).toBe(withoutPort(lines[1]!));
});

test('a gateway says at once that its address is none, or that nobody is there', async () => {
  const wrong = await run(['gateway', '--server', 'nm://127.0.0.1:1']);
  expect(wrong.exitCode).toBe(EXIT.usage);
  expect(wrong.stderr).toContain('--server is no address of a Tahoe-LAFS storage server');
  const nobody = await run(['gateway', '--server', `pb://${'A'.repeat(43)}@127.0.0.1:1/secret#v=1`]);
  expect(nobody.exitCode).toBe(EXIT.other);
  expect(nobody.stderr).toContain('"storage/version" at pb://AAAAAAAA…@127.0.0.1:1 failed');
});

async function firstLinesOf(child: ReturnType<typeof spawnCli>, count: number): Promise<string[]> {
  let seen = '';
  for await (const chunk of child.stdout!.iterator({ destroyOnReturn: false })) {
    seen += String(chunk);
    const lines = seen.split('\n');
    if (lines.length > count) return lines.slice(0, count);
  }
  throw new Error(`the process ended early: ${seen}`);
}
