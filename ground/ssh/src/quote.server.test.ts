import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { background } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import * as fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import type { HostAnswer, HostScript } from './connection.ts';
import { createFakeHost } from './fake.ts';
import { createOpenSsh } from './openssh.ts';
import { quoteWords } from './quote.ts';
import { scriptCommand, splitMark } from './remote-shell.ts';
import { describeHost } from './testing.ts';

const folder = mkdtempSync(join(tmpdir(), 'polyanthus-ssh-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const ctx = background();

describe('the quoter', () => {
  it('gives a shell exactly the words, whatever is in them', () => {
    const word = fc
      .string({ unit: 'binary' })
      .filter((text) => !text.includes('\0') && Buffer.from(text, 'utf8').toString('utf8') === text);
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 8 }), (words) => {
        const out = execFileSync('sh', ['-c', `printf '%s\\0' ${quoteWords(words)}`]).toString('utf8');
        expect(out.split('\0').slice(0, -1)).toEqual(words);
      }),
      { numRuns: 150, interruptAfterTimeLimit: 2000 },
    );
  });

  it('refuses what cannot be passed', () => {
    expect(() => quoteWords(['a\0b'])).toThrow(/NUL/);
  });
});

/** What sshd does with a command line: hands it to the user's shell. */
async function localShell(script: HostScript): Promise<HostAnswer> {
  const child = spawn('sh', ['-c', scriptCommand('mark', script.args ?? [], false)], { timeout: script.timeoutMs });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (piece: Buffer) => out.push(piece));
  child.stderr.on('data', (piece: Buffer) => err.push(piece));
  child.stdin.end(script.script);
  await once(child, 'close');
  const split = splitMark(Buffer.concat(err), 'mark');
  return { code: split?.code ?? -1, stdout: Buffer.concat(out), stderr: split?.stderr ?? Buffer.concat(err) };
}

describeHost('the fake', () => {
  const host = createFakeHost('fake', async (_ctx, script, self) => {
    for (const [path, file] of self.files) {
      writeFileSync(path, file.content);
      chmodSync(path, file.mode);
    }
    if (script.script === 'sleep 30') self.latencyMs = 30_000;
    return localShell(script);
  });
  return {
    host: {
      ...host,
      run: (inner, script) =>
        script.script === 'sleep 30' ? ((host.latencyMs = 30_000), host.run(inner, script)) : host.run(inner, script),
    },
    folder,
  };
});

/** ssh as a program that runs the command line here: everything of openssh.ts but the network. */
function localSsh(script: string): string {
  const path = join(folder, `ssh-${script.length}`);
  writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return path;
}
const openssh = (program: string) =>
  createOpenSsh({
    host: 'h1',
    user: 'root',
    knownHostsFile: '/dev/null',
    controlDir: folder,
    become: false,
    random: systemRandom,
    env: { PATH: process.env['PATH'] },
    program: [program],
  });

describeHost('the system ssh (its program played here)', () => ({
  host: openssh(localSsh('for last; do :; done; exec sh -c "$last"')),
  folder,
}));

describe('trouble of ssh', () => {
  const cases: readonly (readonly [stderr: string, code: string])[] = [
    ['@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.', 'HostKeyChanged'],
    [
      'No ED25519 host key is known for h1 and you have requested strict checking.\nHost key verification failed.',
      'HostKeyUnknown',
    ],
    ['root@h1: Permission denied (publickey).', 'HostAuthRefused'],
    ['ssh: connect to host h1 port 22: Connection refused', 'HostUnreachable'],
    ['ssh: Could not resolve hostname h1: Name or service not known', 'HostUnreachable'],
    ['client_loop: send disconnect: Broken pipe', 'HostConnectionLost'],
    ['sudo: a password is required', 'HostBecomeRefused'],
  ];
  it.each(cases)('%s', async (stderr, code) => {
    const program = localSsh(`cat >/dev/null; cat >&2 <<'END'\n${stderr}\nEND\nexit 255 # ${code}`);
    await expect(openssh(program).run(ctx, { script: 'true', timeoutMs: 5000 })).rejects.toMatchObject({ code });
  });

  it('of a lost answer says that the outcome is open', async () => {
    const host = createFakeHost('fake', () =>
      Promise.resolve({ code: 0, stdout: Buffer.from(''), stderr: Buffer.from('') }),
    );
    host.trouble = 'lost';
    await expect(host.run(ctx, { script: 'reboot', timeoutMs: 1000 })).rejects.toMatchObject({
      code: 'HostConnectionLost',
    });
    expect(host.history).toHaveLength(1);
    host.trouble = 'unreachable';
    await expect(host.run(ctx, { script: 'reboot', timeoutMs: 1000 })).rejects.toMatchObject({
      code: 'HostUnreachable',
    });
    expect(host.history).toHaveLength(1);
  });
});
