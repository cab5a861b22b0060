import { background, withCancel } from '@polyanthus/ground-base/context';
import { expect, it } from 'vitest';
import { runProgram, type RunOptions } from './run.ts';
import { startProgram } from './start.ts';

const ctx = background();
const node = (script: string, more: Partial<RunOptions> = {}): RunOptions => ({
  program: process.execPath,
  args: ['-e', script],
  env: {},
  timeoutMs: 20_000,
  ...more,
});
it('gives output, passes arguments untouched and input on stdin', async () => {
  const script =
    'process.stdin.on("data", d => process.stdout.write(d)).on("end", () => process.stderr.write(process.argv.slice(1).join("|")))';
  const result = await runProgram(ctx, node(script, { args: ['-e', script, '$HOME; `x`', "it's"], input: 'hello' }));
  expect([result.code, result.stdout.toString(), result.stderr.toString()]).toEqual([0, 'hello', "$HOME; `x`|it's"]);
});

it('inherits nothing from the environment', async () => {
  const result = await runProgram(
    ctx,
    node('process.stdout.write(JSON.stringify(process.env))', { env: { ONLY: 'this' } }),
  );
  expect(JSON.parse(result.stdout.toString())).toEqual({ ONLY: 'this' });
});

it('names a program that is not installed', async () => {
  const answer = runProgram(ctx, {
    program: 'polyanthus-no-such-program',
    args: [],
    env: { PATH: '/usr/bin' },
    timeoutMs: 1000,
  });
  await expect(answer).rejects.toMatchObject({
    code: 'ProgramMissing',
    message: 'polyanthus-no-such-program is not installed, or not on the path',
  });
});

it('fails with code and the end of stderr, but for codes that are allowed', async () => {
  const script = 'process.stderr.write("first\\nlast words\\n"); process.exitCode = 3';
  await expect(runProgram(ctx, node(script))).rejects.toMatchObject({
    code: 'ProgramFailed',
    message: expect.stringContaining('ended with 3: first; last words') as unknown,
  });
  expect((await runProgram(ctx, node(script, { okCodes: [0, 3] }))).code).toBe(3);
});

it('stops a program that does not end', async () => {
  await expect(runProgram(ctx, node('setInterval(() => {}, 1000)', { timeoutMs: 300 }))).rejects.toMatchObject({
    code: 'ProgramTimedOut',
  });
});

it('stops a program that writes without end', async () => {
  const script = 'const w = () => process.stdout.write(Buffer.alloc(65536), w); w()';
  await expect(runProgram(ctx, node(script, { outputBytesMax: 100_000 }))).rejects.toMatchObject({
    code: 'ProgramTalkedTooMuch',
  });
});

it('takes the children along when it is cancelled', async () => {
  const child = 'process.stdout.write("up"); setInterval(() => {}, 1000)';
  const parent = `require("child_process").spawn(process.execPath, ["-e", ${JSON.stringify(child)}], { stdio: "inherit" }); setInterval(() => {}, 1000)`;
  const { ctx: inner, cancel } = withCancel(ctx);
  const running = await startProgram(inner, node(parent));
  await new Promise((resolve) => running.stdout.once('data', resolve));
  cancel();
  // It settles only when nobody holds the pipe any more, and the child holds it too.
  expect((await running.ended).signal).toBe('SIGTERM');
});
