/** What travels together as the first parameter of everything that waits: cancellation, deadline, log and clock. */
import { systemClock, type Clock } from './clock.ts';
import { CodedError, baseErrors } from './errors.ts';
import { nullLogger, type LogFields, type Logger } from './log.ts';

/** Immutable; derive a narrower one with the functions of this file. */
export interface Context {
  /** Aborted when the caller no longer wants the answer, or the deadline has passed. */
  readonly signal: AbortSignal;
  /** By `clock.monotonic()`: after it the work is pointless; undefined means no bound. Wall clocks jump. */
  readonly deadlineMs: number | undefined;
  readonly log: Logger;
  readonly clock: Clock;
}

/** A context that nothing cancels: for mains and tests. */
export function background(
  options: { readonly log?: Logger; readonly clock?: Clock; readonly signal?: AbortSignal } = {},
): Context {
  return {
    signal: options.signal ?? new AbortController().signal,
    deadlineMs: undefined,
    log: options.log ?? nullLogger,
    clock: options.clock ?? systemClock,
  };
}

/** A context whose lines carry `fields` too. */
export function withLog(ctx: Context, fields: LogFields): Context {
  return { ...ctx, log: ctx.log.with(fields) };
}

/** A context that `signal` cancels as well. */
export function withSignal(ctx: Context, signal: AbortSignal): Context {
  return { ...ctx, signal: AbortSignal.any([ctx.signal, signal]) };
}

/** A child that can be cancelled on its own. Always call `cancel` when done with it. */
export function withCancel(ctx: Context): { readonly ctx: Context; readonly cancel: (reason?: unknown) => void } {
  const controller = new AbortController();
  return { ctx: withSignal(ctx, controller.signal), cancel: (reason) => controller.abort(reason) };
}

/** Runs `fn` under a deadline of `timeoutMs` from now; the signal aborts with DeadlineExceeded when it passes. */
export async function withTimeout<T>(
  ctx: Context,
  timeoutMs: number,
  what: string,
  fn: (ctx: Context) => Promise<T>,
): Promise<T> {
  const { deadlineMs, timer, controller } = startDeadline(ctx, timeoutMs, what);
  const inner: Context = { ...ctx, deadlineMs, signal: AbortSignal.any([ctx.signal, controller.signal]) };
  try {
    return await untilAborted(inner, fn(inner));
  } finally {
    timer.cancel();
  }
}

/**
 * The same for work that is over when `fn` is: what it leaves behind must not rely on its context, which follows `ctx` no
 * longer. For what happens with every request and every round: a signal of several costs more than a small request.
 */
export async function withinTime<T>(
  ctx: Context,
  timeoutMs: number,
  what: string,
  fn: (ctx: Context) => Promise<T>,
): Promise<T> {
  const { deadlineMs, timer, controller } = startDeadline(ctx, timeoutMs, what);
  const follow = (): void => controller.abort(ctx.signal.reason);
  if (ctx.signal.aborted) follow();
  else ctx.signal.addEventListener('abort', follow, { once: true });
  const inner: Context = { ...ctx, deadlineMs, signal: controller.signal };
  try {
    return await untilAborted(inner, fn(inner));
  } finally {
    timer.cancel();
    ctx.signal.removeEventListener('abort', follow);
  }
}

function startDeadline(
  { clock, deadlineMs: outerMs = Infinity }: Context,
  timeoutMs: number,
  what: string,
): { readonly deadlineMs: number; readonly timer: { cancel(): void }; readonly controller: AbortController } {
  const controller = new AbortController();
  const deadlineMs = Math.min(clock.monotonic() + timeoutMs, outerMs);
  const timer = clock.after(deadlineMs - clock.monotonic(), () =>
    controller.abort(baseErrors.error('DeadlineExceeded', `${what} took longer than ${timeoutMs} ms`)),
  );
  return { deadlineMs, timer, controller };
}

/** Waits for `promise`, or throws as soon as the context is cancelled. */
export async function untilAborted<T>(ctx: Context, promise: Promise<T>): Promise<T> {
  if (ctx.signal.aborted) {
    promise.catch(() => undefined);
    throw cancelled(ctx.signal);
  }
  let onAbort = (): void => undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(cancelled(ctx.signal));
    ctx.signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    ctx.signal.removeEventListener('abort', onAbort);
  }
}

/** Waits `delayMs`, or throws when cancelled first. */
export async function sleep(ctx: Context, delayMs: number): Promise<void> {
  let timer: { cancel(): void } | undefined;
  try {
    await untilAborted(ctx, new Promise<void>((resolve) => (timer = ctx.clock.after(delayMs, resolve))));
  } finally {
    timer?.cancel();
  }
}

/** Throws when the context is already cancelled. */
export function throwIfCancelled(ctx: Context): void {
  if (ctx.signal.aborted) throw cancelled(ctx.signal);
}

/** The error to throw for an aborted signal: its own reason when that is coded, else Cancelled. */
export function cancelled(signal: AbortSignal): CodedError {
  return signal.reason instanceof CodedError
    ? signal.reason
    : baseErrors.error('Cancelled', 'the operation was cancelled', { cause: signal.reason });
}
