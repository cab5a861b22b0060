/** What the user asks of a run under way, read every two seconds, and the summary that is written for those who look. */
import { sleep, throwIfCancelled, withCancel, type Context } from '@polyanthus/ground-base/context';
import { baseErrors } from '@polyanthus/ground-base/errors';
import type { Run, RunPhase } from '@polyanthus/kube-kinds/own/runbook';
import { stateOf, type RunHandle, type StepRecord } from './handle.ts';
import { stepKey } from './plan.ts';
import { isApproved } from './questions.ts';

/** Between two looks at the run. */
export const controlMs = 2000;
const waitingMax = 20;
const notesMax = 3;
const noteMax = 300;

/** What ends a session before its steps do. */
export type Request = 'abort' | 'undo';

/** Follows the run while steps are carried out. */
export class Control {
  readonly #handle: RunHandle;
  readonly #cancel: (reason?: unknown) => void;
  /** Cancelled by a request or a takeover: steps run under it. */
  readonly ctx: Context;
  readonly #waiting = new Set<string>();
  #active = 0;
  /** What the run's message says of steps under way. */
  #noted = '';
  request: Request | undefined;
  /** A step is red: nothing new is begun. */
  halted = false;

  constructor(ctx: Context, handle: RunHandle) {
    this.#handle = handle;
    const inner = withCancel(ctx);
    this.ctx = inner.ctx;
    this.#cancel = inner.cancel;
    this.#read();
  }

  /** Runs `fn` while following the run; afterwards the last summary is written. Throws what following or `fn` throws. */
  async during(ctx: Context, fn: () => Promise<void>): Promise<void> {
    const following = withCancel(ctx);
    let failure: unknown;
    const loop = this.#follow(following.ctx).catch((error: unknown) => {
      if (following.ctx.signal.aborted) return;
      failure = error;
      this.#cancel(error);
    });
    try {
      await fn();
    } finally {
      following.cancel();
      await loop;
    }
    if (failure !== undefined) throw failure;
    if (this.#noted !== '') await this.#handle.updateRun(ctx, () => ({ message: '' }));
  }

  /** Before each step: waits while paused; false when nothing more may be begun. */
  async mayBegin(): Promise<boolean> {
    while (!this.halted && this.request === undefined && this.#handle.run.spec.paused === true)
      await sleep(this.ctx, controlMs);
    throwIfCancelled(this.ctx);
    return !this.halted && this.request === undefined;
  }

  /** Counts a step as being worked on. */
  async working<T>(fn: () => Promise<T>): Promise<T> {
    this.#active += 1;
    try {
      return await fn();
    } finally {
      this.#active -= 1;
    }
  }

  /** Waits until the step is approved. */
  async approval(ctx: Context, record: StepRecord): Promise<void> {
    const key = stepKey(record);
    this.#waiting.add(key);
    this.#active -= 1;
    try {
      while (!isApproved(this.#handle.run, key)) await sleep(ctx, controlMs);
    } finally {
      this.#active += 1;
      this.#waiting.delete(key);
    }
  }

  async #follow(ctx: Context): Promise<void> {
    for (;;) {
      await this.#handle.guard(ctx);
      this.#read();
      await this.summarize(ctx);
      await sleep(ctx, controlMs);
    }
  }

  #read(): void {
    const { spec, status } = this.#handle.run;
    if (spec.abort === true) this.request = 'abort';
    else if ((spec.undo?.number ?? 0) > (status?.undos ?? 0)) this.request = 'undo';
    if (this.request !== undefined) this.#cancel(baseErrors.error('Cancelled', `asked to ${this.request}`));
  }

  /** Writes counts and phase when they changed. */
  async summarize(ctx: Context): Promise<void> {
    const { records, questions } = this.#handle;
    const waiting = [...this.#waiting, ...questions].sort();
    const noted = notesOf(records);
    const told = noted === this.#noted ? {} : { message: noted };
    this.#noted = noted;
    await this.#handle.updateRun(ctx, (status) => {
      const paused = this.#handle.run.spec.paused === true && this.#active === 0;
      const phase: RunPhase =
        status.direction === 'back'
          ? 'Undoing'
          : paused
            ? 'Paused'
            : this.#active <= questions.size && waiting.length > 0
              ? 'Waiting'
              : 'Running';
      return { phase, steps: countOf(records), waitingFor: waiting.slice(0, waitingMax), ...told };
    });
  }
}

/** Why steps under way do not end: the first few, for those who look on. */
function notesOf(records: readonly StepRecord[]): string {
  const open = records.filter((record) => record.noted !== undefined && stateOf(record) === 'Intended');
  const lines = open.slice(0, notesMax).map((record) => `${stepKey(record)}: ${record.noted?.slice(0, noteMax) ?? ''}`);
  return `${lines.join('; ')}${open.length > notesMax ? `; and ${open.length - notesMax} more` : ''}`;
}

/** How many steps stand where. */
export function countOf(records: readonly StepRecord[]): NonNullable<NonNullable<Run['status']>['steps']> {
  const count = (state: string): number => records.filter((record) => stateOf(record) === state).length;
  return { total: records.length, proven: count('Proven'), failed: count('Failed'), undone: count('Undone') };
}
