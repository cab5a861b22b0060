/**
 * A host for hermetic tests: files in memory, commands answered by a function, trouble on demand. What it promises is held
 * by the same suite as the system's ssh (testing.ts).
 */
import { sleep, throwIfCancelled, type Context } from '@polyanthus/ground-base/context';
import { sshErrors } from './errors.ts';
import type { HostAnswer, HostConnection, HostScript } from './connection.ts';

/** What the next commands meet. `lost` runs the command and then loses the answer; `unreachable` does not run it. */
export type FakeTrouble = 'none' | 'unreachable' | 'keyChanged' | 'lost';

/** A fake host with its handles for tests. */
export interface FakeHost extends HostConnection {
  /** Content and mode by path. */
  readonly files: Map<string, { readonly content: Uint8Array; readonly mode: number }>;
  /** Every script that was run, oldest first. */
  readonly history: HostScript[];
  trouble: FakeTrouble;
  /** How long every command takes, by the context's clock. */
  latencyMs: number;
}

/** `answer` plays the host; it sees the files. */
export function createFakeHost(
  name: string,
  answer: (ctx: Context, script: HostScript, host: FakeHost) => Promise<HostAnswer>,
): FakeHost {
  const guarded = async <T>(ctx: Context, host: FakeHost, timeoutMs: number, fn: () => Promise<T>): Promise<T> => {
    throwIfCancelled(ctx);
    if (host.trouble === 'unreachable') throw sshErrors.error('HostUnreachable', `${name}: Connection refused`);
    if (host.trouble === 'keyChanged')
      throw sshErrors.error('HostKeyChanged', `${name}: the host key is not the pinned one`);
    if (host.latencyMs > timeoutMs) {
      await sleep(ctx, timeoutMs);
      throw sshErrors.error('HostTimedOut', `${name}: a command did not end within ${timeoutMs} ms`);
    }
    if (host.latencyMs > 0) await sleep(ctx, host.latencyMs);
    const result = await fn();
    // Read anew: the command itself may have brought the trouble about (a reboot).
    if ((host.trouble as FakeTrouble) === 'lost')
      throw sshErrors.error('HostConnectionLost', `${name}: the connection broke`);
    return result;
  };
  const host: FakeHost = {
    name,
    files: new Map(),
    history: [],
    trouble: 'none',
    latencyMs: 0,
    run: (ctx, script) =>
      guarded(ctx, host, script.timeoutMs, () => {
        host.history.push(script);
        return answer(ctx, script, host);
      }),
    upload: (ctx, file) =>
      guarded(ctx, host, file.timeoutMs, async () => {
        host.files.set(file.path, { content: file.content, mode: file.mode });
      }),
    close: () => Promise.resolve(),
  };
  return host;
}
