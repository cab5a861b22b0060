import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';

/** In a process of its own, because the failure is an abort of the whole process, which no test could report. */
it('HTTP/2 that begins right after the last of the first words does not abort the process', async () => {
  const program = `
    import { background } from '@polyanthus/ground-base/context';
    import { asAlice, startTestAgent, startTestHub, tunnelOf } from './testing.ts';
    for (let round = 0; round < 20; round++) {
      const hub = await startTestHub();
      const agent = startTestAgent(hub, async () => ({ status: 200, headers: {}, body: Buffer.from('ok') }));
      await tunnelOf(background(), hub);
      const answer = await hub.hub.transportTo('uid-1').request(background(), { method: 'GET', url: '/', headers: asAlice, body: null });
      for await (const piece of answer.body) if (String(piece) !== 'ok') process.exit(3);
      await agent.stop();
      await hub.close();
    }
    process.stdout.write('all rounds done');
  `;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (piece: Buffer) => (out += piece.toString()));
  child.stderr.on('data', (piece: Buffer) => (err += piece.toString()));
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  expect({ code, signal, out, err: code === 0 ? '' : err }).toEqual({
    code: 0,
    signal: null,
    out: 'all rounds done',
    err: '',
  });
});
