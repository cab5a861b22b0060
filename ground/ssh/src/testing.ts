/** The suite that the system's ssh and the fake share. */
import { background } from '@polyanthus/ground-base/context';
import { describe, expect, it } from 'vitest';
import type { HostConnection } from './connection.ts';

/** `folder` is an absolute path on the host that may be written to. */
export function describeHost(
  name: string,
  open: () => { readonly host: HostConnection; readonly folder: string },
): void {
  const ctx = background();
  const timeoutMs = 20_000;
  describe(`a host by ${name}`, () => {
    it('answers stdout, stderr and every exit code, 255 too', async () => {
      const { host } = open();
      for (const code of [0, 1, 7, 254, 255]) {
        const answer = await host.run(ctx, {
          script: 'echo out; echo err >&2; exit "$1"',
          args: [String(code)],
          timeoutMs,
        });
        expect({ code: answer.code, out: answer.stdout.toString(), err: answer.stderr.toString().trim() }).toEqual({
          code,
          out: 'out\n',
          err: 'err',
        });
      }
    });

    it('passes arguments as they are', async () => {
      const args = ['', 'a b', "it's", '$HOME', '`id`', '$(id)', '"x"', '\\', '*', '-n', ';rm', 'new\nline', 'ü', '~'];
      const answer = await open().host.run(ctx, {
        script: 'for a in "$@"; do printf "<%s>" "$a"; done',
        args,
        timeoutMs,
      });
      expect(answer.stdout.toString()).toBe(args.map((arg) => `<${arg}>`).join(''));
    });

    it('takes scripts of any length', async () => {
      const answer = await open().host.run(ctx, {
        script: `${': "padding padding padding"\n'.repeat(20_000)}echo done`,
        timeoutMs,
      });
      expect(answer.stdout.toString()).toBe('done\n');
    });

    it('puts files with content and mode', async () => {
      const { host, folder } = open();
      const content = Buffer.from(Array.from({ length: 100_000 }, (_none, index) => index & 0xff));
      const path = `${folder}/it's a file`;
      await host.upload(ctx, { path, content, mode: 0o640, timeoutMs });
      const answer = await host.run(ctx, {
        script: 'stat -c "%a %s" "$1"; cksum < "$1" | cut -d" " -f2',
        args: [path],
        timeoutMs,
      });
      expect(answer.stdout.toString()).toBe('640 100000\n100000\n');
    });

    it('says when a command takes too long', async () => {
      await expect(open().host.run(ctx, { script: 'sleep 30', timeoutMs: 300 })).rejects.toMatchObject({
        code: 'HostTimedOut',
      });
    });
  });
}
