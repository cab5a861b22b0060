/**
 * A run in the hands of one executor: its epoch, its records, and the only ways to write them. Each write is a
 * compare-and-swap; a higher epoch anywhere means that a successor is at work, and nothing more is done here.
 */
import { sleep, type Context } from '@polyanthus/ground-base/context';
import { Mutex } from '@polyanthus/ground-base/mutex';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { runs, runSteps, type Run, type RunStep } from '@polyanthus/kube-kinds/own/runbook';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import { resourcePath } from '@polyanthus/kube-objects/resource';
import { isStatus } from '@polyanthus/kube-objects/status';
import { kubeMicroTime } from '@polyanthus/kube-runtime/times';
import { runbookErrors } from './errors.ts';
import { releaseCommand } from './release-command.ts';
import { isTransient } from './failures.ts';
import type { ParameterValues } from './parameters.ts';
import { stepKey, type PlannedStep } from './plan.ts';
import type { Runbook } from './runbook.ts';

/** One thing that happened, for the log: one line of JSON. */
export interface RunEvent {
  readonly time: string;
  readonly run: string;
  readonly epoch: number;
  /** `STEP/TARGET`; absent: of the run as a whole. */
  readonly step?: string;
  readonly attempt?: number;
  readonly event: string;
  readonly message?: string;
}

type Loose<T> = { readonly [K in keyof T]?: T[K] | undefined };
type RunStatus = NonNullable<Run['status']>;
type StepStatus = NonNullable<RunStep['status']>;

/** A planned step and its object as it was last seen or written. */
export interface StepRecord extends PlannedStep {
  object: RunStep;
  /** What the action under way said last: why it waits, mostly. */
  noted?: string;
  /** What the action under way leaves as its mark, not yet stored. */
  left?: unknown;
}

/** How a handle is opened. */
export interface HandleOptions {
  readonly runsClient: KubeClient;
  readonly clusterClient: KubeClient;
  readonly runbook: Runbook;
  readonly parameters: ParameterValues;
  readonly onEvent?: ((event: RunEvent) => void) | undefined;
}

const retryMs = 1000;
const metadataOnly = 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json';
/** An answer that took longer may be older than a takeover, which is possible 15 s after the last renewal of the Lease. */
const freshMs = 5000;
const freshLooks = 3;
/** Late writes that a Run names; more are counted. */
const lateMax = 20;
const lateConflictsMax = 20;

/** The state of a step; Pending before anything was written. */
export const stateOf = (record: StepRecord): NonNullable<StepStatus['state']> =>
  record.object.status?.state ?? 'Pending';

/** Whether an intent was ever stored and not undone: something may have happened. */
export const isTouched = (record: StepRecord): boolean =>
  (record.object.status?.attempt ?? 0) > 0 && stateOf(record) !== 'Undone';

/** See the file's header. */
export class RunHandle {
  readonly options: HandleOptions;
  readonly epoch: number;
  run: Run;
  /** By lane, in the order of the plan. */
  readonly records: StepRecord[] = [];
  /** Questions that wait for an answer, by the key that approves them. */
  readonly questions = new Set<string>();
  readonly #storing = new WeakMap<StepRecord, Mutex>();

  constructor(run: Run, options: HandleOptions) {
    this.run = run;
    this.options = options;
    this.epoch = run.status?.epoch ?? 0;
  }

  get name(): string {
    return this.run.metadata.name ?? '';
  }

  emit(ctx: Context, event: string, more: { record?: StepRecord; message?: string } = {}): void {
    const { record, message } = more;
    const attempt = record?.object.status?.attempt;
    this.options.onEvent?.({
      time: kubeMicroTime(ctx.clock.now()),
      run: this.name,
      epoch: this.epoch,
      ...(record === undefined ? {} : { step: stepKey(record) }),
      ...(attempt === undefined ? {} : { attempt }),
      event,
      ...(message === undefined ? {} : { message }),
    });
  }

  /**
   * Reads the run uncached. Throws RunTakenOver when it is no longer this executor's. An answer that was long on its way,
   * because this process stood still for instance, is not believed.
   */
  async guard(ctx: Context): Promise<Run> {
    for (let left = freshLooks; ; left--) {
      const beganMs = ctx.clock.monotonic();
      const live = await this.#look(ctx);
      if (ctx.clock.monotonic() - beganMs < freshMs || left === 0) return live;
    }
  }

  async #look(ctx: Context): Promise<Run> {
    const { name = '', namespace, uid } = this.run.metadata;
    let live: Run;
    try {
      live = await this.#patiently(ctx, () => this.#read(ctx, { namespace, name }));
    } catch (error) {
      if (isStatus(error, 'NotFound')) throw this.#takenOver('it was deleted', this.#afterDeletion());
      throw error;
    }
    if (live.metadata.uid !== uid) throw this.#takenOver('it was deleted and made anew');
    if ((live.status?.epoch ?? 0) !== this.epoch)
      throw this.#takenOver(`${live.status?.holder ?? 'another'} holds it with epoch ${live.status?.epoch ?? 0}`);
    this.run = live;
    return live;
  }

  /**
   * A run names all of its targets, and is read before each write: so its metadata first. The same uid and resourceVersion
   * are the same object, status and all.
   */
  async #read(ctx: Context, key: { readonly namespace: string | undefined; readonly name: string }): Promise<Run> {
    const { runsClient } = this.options;
    const known = this.run;
    const path = resourcePath(runs, key);
    const { metadata } = await runsClient.getJson<KubeObject>(ctx, path, metadataOnly);
    const same = metadata.uid === known.metadata.uid && metadata.resourceVersion === known.metadata.resourceVersion;
    return same ? known : runsClient.get(ctx, runs, key);
  }

  /** Tells the run, which another executor has taken over, of a write that was decided before and carried out after that. */
  async noteLate(ctx: Context, record: StepRecord, what: string): Promise<void> {
    const { name = '', namespace, uid } = this.run.metadata;
    const write = { epoch: this.epoch, at: kubeMicroTime(ctx.clock.now()), step: stepKey(record), what };
    this.emit(ctx, 'late', { record, message: what });
    for (let left = lateConflictsMax; ; left--) {
      const live = await this.#patiently(ctx, () => this.options.runsClient.get(ctx, runs, { namespace, name }));
      if (live.metadata.uid !== uid) return;
      const { count = 0, writes = [] } = live.status?.late ?? {};
      const late = { count: count + 1, writes: [...writes, write].slice(-lateMax) };
      try {
        const told = { ...live, status: { ...live.status, late } };
        await this.#patiently(ctx, () => this.options.runsClient.update(ctx, runs, told, { subresource: 'status' }));
        return;
      } catch (error) {
        if (!isStatus(error, 'Conflict') || left === 0) throw error;
      }
    }
  }

  /** Changes the run's status, and nothing when nothing is different. Errors: RunTakenOver. */
  async updateRun(ctx: Context, change: (status: RunStatus) => Loose<RunStatus>): Promise<void> {
    for (;;) {
      const live = await this.guard(ctx);
      const status = { ...live.status, ...change(live.status ?? {}) } as RunStatus;
      if (JSON.stringify(status) === JSON.stringify(live.status)) return;
      try {
        this.run = await this.#patiently(ctx, () =>
          this.options.runsClient.update(ctx, runs, { ...live, status }, { subresource: 'status' }),
        );
        return;
      } catch (error) {
        if (!isStatus(error, 'Conflict')) throw error;
      }
    }
  }

  /** Writes what is known of a step; writes of one step follow each other. Errors: RunTakenOver. */
  store(ctx: Context, record: StepRecord, change: Loose<StepStatus>): Promise<void> {
    const storing = this.#storing.get(record) ?? new Mutex();
    this.#storing.set(record, storing);
    return storing.run(() => this.#store(ctx, record, change));
  }

  async #store(ctx: Context, record: StepRecord, change: Loose<StepStatus>): Promise<void> {
    const status = { ...record.object.status, ...change, epoch: this.epoch } as StepStatus;
    for (;;) {
      try {
        record.object = await this.#patiently(ctx, () =>
          this.options.runsClient.update(ctx, runSteps, { ...record.object, status }, { subresource: 'status' }),
        );
        break;
      } catch (error) {
        if (!isStatus(error, 'Conflict') && !isStatus(error, 'NotFound')) throw error;
        // An answer that was lost, a late write of a predecessor, or a successor: the run's epoch tells.
        await this.guard(ctx);
        const { name = '', namespace } = record.object.metadata;
        record.object = await this.#patiently(ctx, () =>
          this.options.runsClient.get(ctx, runSteps, { namespace, name }),
        );
      }
    }
    if (change.state !== undefined)
      this.emit(ctx, change.state, {
        record,
        ...(status.evidence === undefined && status.message === undefined
          ? {}
          : { message: status.message ?? status.evidence ?? '' }),
      });
  }

  /** Calls until the API answers or the context ends: records are never given up for a connection. */
  async #patiently<T>(ctx: Context, fn: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await fn();
      } catch (error) {
        if (ctx.signal.aborted || !isTransient(error)) throw error;
        ctx.log.warn('the API that holds the run does not answer, trying again', { run: this.name, error });
        await sleep(ctx, retryMs);
      }
    }
  }

  /** Nothing is undone, and nobody is left who could: the user is told what to look at. */
  #afterDeletion(): string {
    const [target] = this.run.spec.targets;
    const release = target === undefined ? '' : ` Before another run works on them: ${releaseCommand(target)}`;
    return `What it did stays: look at its targets (cordons, for instance).${release}`;
  }

  #takenOver(why: string, next?: string): Error {
    return runbookErrors.error('RunTakenOver', `run ${this.name} is no longer carried out here: ${why}`, {
      next: next ?? `Watch it with: polyanthus runbook watch ${this.name}`,
    });
  }
}
