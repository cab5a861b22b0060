/** Fixtures: the command line in this process, and the commands that it starts again as children. */
import { dirname, join } from 'node:path';
import { background, type Context } from '@polyanthus/ground-base/context';
import { recordIo } from '@polyanthus/ground-cli-kit/io';
import { runProgram } from '@polyanthus/ground-cli-kit/run';
import { advise } from './advice.ts';
import { commandTree } from './tree.ts';

/** What a command did. */
export interface Transcript {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `polyanthus ARGS`; `onError` hears each text on stderr while it runs. */
export async function polyanthus(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  more: { readonly ctx?: Context; readonly onError?: (text: string) => void } = {},
): Promise<Transcript> {
  const io = recordIo();
  const err = (text: string): void => {
    io.err(text);
    more.onError?.(text);
  };
  const program = { name: 'polyanthus', summary: 'test', version: '0', root: commandTree, advise };
  const code = await runProgram(more.ctx ?? background(), program, args, {
    io: { ...io, err },
    env: { PATH: dirname(process.execPath), ...env },
    self: [process.execPath, join(import.meta.dirname, 'main.ts')],
  });
  return { code, stdout: io.stdout(), stderr: io.stderr() };
}
