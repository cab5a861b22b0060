/** Fixtures: a world by virtual clock, executors that can be killed or stopped at any request, and a runbook of every step kind. */
import type { Clock } from '@polyanthus/ground-base/clock';
import { background, withCancel, type Context } from '@polyanthus/ground-base/context';
import type { HttpRequest, HttpResponse, Transport } from '@polyanthus/ground-http/message';
import { createSeededRandom } from '@polyanthus/ground-testing/seeded-random';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { createClient } from '@polyanthus/kube-client/rest';
import { configMaps, leases, type ConfigMap } from '@polyanthus/kube-kinds/core';
import { claimAnnotation, runs, runSteps, type Run, type RunTarget } from '@polyanthus/kube-kinds/own/runbook';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import { isStatus } from '@polyanthus/kube-objects/status';
import { createTestClock, type TestClock } from '@polyanthus/kube-runtime/testing';
import { startTestCluster, type TestCluster } from '@polyanthus/kube-server/testing';
import { executeRun } from './executor.ts';
import type { RunEvent } from './handle.ts';
import { ensureRunKinds } from './kinds.ts';
import type { ActionStep, CheckStep, Runbook, StepDefinition, StepScope, Verdict } from './runbook.ts';
import { createRun, prepareRun } from './start.ts';

/** An embedded cluster that holds runs and targets. */
export interface World {
  readonly clock: TestClock;
  readonly cluster: TestCluster;
  readonly ctx: Context;
  readonly client: KubeClient;
  close(): Promise<void>;
}

/** Where the tests' runs and targets are. */
export const testNamespace = 'work';

/** Starts it with `targets` ConfigMaps, `m0` first. */
export async function startWorld(targets = 3): Promise<World> {
  const clock = createTestClock();
  const cluster = await startTestCluster({ clock, random: createSeededRandom(1) });
  const client = createClient(cluster.transport);
  await settled(clock, ensureRunKinds(cluster.ctx, client, testNamespace));
  for (let index = 0; index < targets; index++)
    await client.create(cluster.ctx, configMaps, mapOf(`m${index}`, { value: `v${index}` }));
  return { clock, cluster, ctx: cluster.ctx, client, close: () => cluster.close() };
}

/** Empties the world and makes its targets anew, for the next case. */
export async function renew(world: World, targets = 3): Promise<void> {
  const at = { namespace: testNamespace };
  for (const type of [runs, runSteps, leases, configMaps]) await world.client.deleteCollection(world.ctx, type, at);
  for (let index = 0; index < targets; index++)
    await world.client.create(world.ctx, configMaps, mapOf(`m${index}`, { value: `v${index}` }));
}

const mapOf = (name: string, data: Readonly<Record<string, string>>): ConfigMap => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { namespace: testNamespace, name },
  data,
});

/** Lets virtual time pass until the promise settles; answers or throws what it does. */
export async function settled<T>(clock: TestClock, promise: Promise<T>): Promise<T> {
  let done = false;
  const end = (): void => void (done = true);
  promise.then(end, end);
  await clock.until(() => done, 'a promise to settle', 24 * 3_600_000);
  return promise;
}

/** How an executor meets its end. */
export interface Fate {
  /** The request at which it happens, from 0; absent: never. */
  readonly at?: number;
  /** Instead: the first request of which this holds. */
  readonly when?: (request: HttpRequest) => boolean;
  /** Instead: the first call through the gate of which this holds. */
  readonly whenCall?: (call: string) => boolean;
  /** `before`: that request is never sent; `after`: it is carried out, its answer never arrives; `stop`: held until `go`. */
  readonly how?: 'before' | 'after' | 'stop';
}

/** An executor over its own transport and clock. */
export interface TestExecutor {
  /** Settles when it ended; a killed one never does. */
  readonly ended: Promise<Run>;
  /** Requests sent so far. */
  readonly requests: () => number;
  /** Whether its fate has come. */
  readonly struck: () => boolean;
  /** Wakes a stopped one: the held request first, then the timers that fell due. */
  go(): void;
  /** Ends it for good, as the end of a process does. */
  bury(): void;
  readonly events: RunEvent[];
}

/** What a killed or stopped process does not do any more, for calls that are no requests of its client (ssh). */
export type Gate = <T>(call: string, send: () => Promise<T>) => Promise<T>;

/** What each executor of a test needs. */
export interface ExecutorSetup {
  readonly world: Pick<World, 'clock' | 'cluster'>;
  /** A function gets the gate of this executor. */
  readonly runbooks: readonly Runbook[] | ((gate: Gate) => readonly Runbook[]);
  readonly run: string;
  readonly identity: string;
  readonly fate?: Fate;
  /** Sees each request of the executor before it is sent; may answer in the server's place. */
  readonly tap?: (request: HttpRequest) => Promise<HttpResponse | undefined>;
}

/** Starts one. */
export function startExecutor(setup: ExecutorSetup): TestExecutor {
  const { world, fate = {} } = setup;
  const stop = stoppable(world.clock);
  const { ctx, cancel } = withCancel(background({ clock: stop.clock }));
  const events: RunEvent[] = [];
  let requests = 0;
  let struck = false;
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const forever = new Promise<never>(() => undefined);
  const inner = world.cluster.transport;
  const pass = async <T>(meant: boolean, send: (detached: boolean) => Promise<T>): Promise<T> => {
    const index = requests++;
    const now = !struck && (index === fate.at || meant);
    if (struck && fate.how !== 'stop') return forever;
    if (now) {
      struck = true;
      if (fate.how === 'before') return forever;
      if (fate.how === 'stop') {
        stop.stop();
        await held;
      }
    } else if (struck) await held;
    const answer = await send(now && fate.how === 'after');
    return now && fate.how === 'after' ? forever : answer;
  };
  const request: Transport['request'] = (requestCtx, message) =>
    pass(
      fate.when?.(message) === true,
      async (detached) =>
        (await setup.tap?.(message)) ??
        // A killed process cannot cancel what it has sent.
        inner.request(detached ? background({ clock: world.clock }) : requestCtx, message),
    );
  const gate: Gate = (call, send) => pass(fate.whenCall?.(call) === true, send);
  const client = createClient({ ...inner, request });
  const ended = executeRun(ctx, {
    runsClient: client,
    clusterClient: client,
    namespace: testNamespace,
    name: setup.run,
    runbooks: typeof setup.runbooks === 'function' ? setup.runbooks(gate) : setup.runbooks,
    identity: setup.identity,
    random: createSeededRandom(fate.at ?? 3),
    onEvent: (event) => events.push(event),
  });
  ended.catch(() => undefined);
  return {
    ended,
    events,
    requests: () => requests,
    struck: () => struck,
    bury: () => cancel(),
    go: () => {
      release();
      stop.go();
    },
  };
}

/** A clock whose timers do not fire while it is stopped, as those of a process after SIGSTOP. */
function stoppable(clock: Clock): { readonly clock: Clock; stop(): void; go(): void } {
  let stopped = false;
  const due: (() => void)[] = [];
  return {
    clock: {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      after: (delayMs, fn, options) => {
        let cancelled = false;
        const fire = (): void => (cancelled ? undefined : fn());
        const timer = clock.after(delayMs, () => (stopped ? void due.push(fire) : fire()), options);
        return {
          cancel: () => {
            cancelled = true;
            timer.cancel();
          },
        };
      },
    },
    stop: () => void (stopped = true),
    go: () => {
      stopped = false;
      // After what the woken request sets in motion: the harder order for fencing.
      clock.after(50, () => {
        for (const fire of due.splice(0)) fire();
      });
    },
  };
}

/** Makes a run of the runbook with these parameters. */
export async function startRun(
  world: World,
  runbook: Runbook,
  parameters: Readonly<Record<string, unknown>>,
  more: Partial<Run['spec']> = {},
  name = 'r1',
): Promise<Run> {
  const prepared = await prepareRun(world.ctx, world.client, { runbook, parameters });
  return createRun(world.ctx, world.client, { namespace: testNamespace, name }, { ...prepared.spec, ...more });
}

/** The ConfigMaps without what every write changes: what undo has to bring back. */
export async function dump(world: World): Promise<Readonly<Record<string, unknown>>> {
  const found = await world.client.list(world.ctx, configMaps, { namespace: testNamespace });
  return Object.fromEntries(found.items.map((map) => [map.metadata.name, normalised(map)]));
}

function normalised(object: ConfigMap): unknown {
  const { labels, annotations } = object.metadata;
  return { labels: labels ?? {}, annotations: annotations ?? {}, data: object.data ?? {} };
}

/** Steps by name and how they ended: what a killed run must have in common with one that was not. */
export async function outcomes(world: World): Promise<readonly string[]> {
  const found = await world.client.listAll(world.ctx, runSteps, { namespace: testNamespace });
  return found.items.map((one) => `${one.metadata.name ?? ''} ${one.spec.step} ${one.status?.state ?? ''}`).sort();
}

/** Writes to targets (claims apart) that no stored intent covers. */
export function watchIntents(world: World, violations: string[]): NonNullable<ExecutorSetup['tap']> {
  return async (request) => {
    if (!/\/configmaps/.test(request.url) || request.method === 'GET') return undefined;
    const body = request.body instanceof Uint8Array ? Buffer.from(request.body).toString() : '';
    if (body.includes(claimAnnotation)) return undefined;
    const name = /\/configmaps\/([^?/]+)/.exec(request.url)?.[1] ?? '';
    const found = await world.client.listAll(world.ctx, runSteps, { namespace: testNamespace });
    const covered = found.items.some(
      (one) =>
        (one.spec.target === undefined || one.spec.target.name === name) &&
        ['Intended', 'UndoIntended'].includes(one.status?.state ?? ''),
    );
    if (!covered) violations.push(`${request.method} ${request.url}`);
    return undefined;
  };
}

const dataOf = (object: KubeObject): Readonly<Record<string, string>> => (object as ConfigMap).data ?? {};
const targetOf = ({ target }: StepScope): RunTarget => {
  if (target === undefined) throw new Error('a lane without a target');
  return target;
};
const look = async (ctx: Context, scope: StepScope, key: string): Promise<string | undefined> => {
  const { namespace, name } = targetOf(scope);
  return dataOf(await scope.client.get(ctx, configMaps, { namespace, name }))[key];
};
const says = (found: string | undefined, wanted: string | undefined): Verdict => ({
  ok: found === wanted,
  evidence: `it says ${found ?? 'nothing'}`,
});

/** A step that sets a key of the target's data, and puts back what was there. */
export function setKey(id: string, key: string, value: string, more: Partial<ActionStep> = {}): ActionStep {
  return {
    id,
    kind: 'action',
    title: `set ${key}`,
    touches: `${key} of the map`,
    deadline: 60_000,
    attempts: 3,
    repeat: 'safe',
    before: async (ctx, scope) => ({ value: (await look(ctx, scope, key)) ?? null }),
    act: (_ctx, scope) => scope.change(`set ${key}`, () => ({ data: { [key]: value } })),
    proof: {
      kind: 'holds',
      sentence: `${key} is ${value}`,
      observe: async (ctx, scope) => says(await look(ctx, scope, key), value),
    },
    undo: {
      title: `put ${key} back`,
      act: (_ctx, scope) => scope.change(`put ${key} back`, () => ({ data: { [key]: valueBefore(scope, id) } })),
      prove: async (ctx, scope) => says(await look(ctx, scope, key), valueBefore(scope, id) ?? undefined),
    },
    ...more,
  };
}
const valueBefore = (scope: StepScope, id: string): string | null =>
  (scope.beforeOf(id) as { readonly value: string | null }).value;

/** Makes one more ConfigMap, and removes it. */
const prepare: ActionStep = {
  id: 'prepare',
  kind: 'action',
  title: 'make the common map',
  touches: 'creates ConfigMap common',
  deadline: 60_000,
  attempts: 3,
  repeat: 'safe',
  act: (ctx, scope) =>
    scope.effect('ConfigMap common', 'create', async () => {
      await scope.client.create(ctx, configMaps, mapOf('common', { made: 'yes' })).catch((error: unknown) => {
        if (!isStatus(error, 'AlreadyExists')) throw error;
      });
    }),
  proof: {
    kind: 'holds',
    sentence: 'ConfigMap common is there',
    observe: async (ctx, scope) => ({ ok: await isThere(ctx, scope), evidence: 'common was read' }),
  },
  undo: {
    title: 'remove the common map',
    act: (ctx, scope) =>
      scope.effect('ConfigMap common', 'delete', async () => {
        await scope.client
          .delete(ctx, configMaps, { namespace: testNamespace, name: 'common' })
          .catch((error: unknown) => {
            if (!isStatus(error, 'NotFound')) throw error;
          });
      }),
    prove: async (ctx, scope) => ({ ok: !(await isThere(ctx, scope)), evidence: 'common was looked for' }),
  },
};

async function isThere(ctx: Context, scope: StepScope): Promise<boolean> {
  const found = await scope.client.list(ctx, configMaps, { namespace: testNamespace });
  return found.items.some((one) => one.metadata.name === 'common');
}

const allTargets: Runbook['targets'] = async (ctx, client) =>
  (await client.list(ctx, configMaps, { namespace: testNamespace })).items
    .filter((one) => /^m\d+$/.test(one.metadata.name ?? ''))
    .map((one) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      resource: 'configmaps',
      namespace: testNamespace,
      name: one.metadata.name ?? '',
      uid: one.metadata.uid ?? '',
    }));

const ready: Runbook['stages'][number]['steps'][number] = {
  id: 'look',
  kind: 'check',
  title: 'look at it',
  deadline: 60_000,
  proof: {
    sentence: 'the first key is set',
    observe: async (ctx, scope) => says(await look(ctx, scope, 'first'), '1'),
  },
};

/** A check that never becomes so. */
export const neverSo: CheckStep = {
  id: 'never',
  kind: 'check',
  title: 'wait for what does not come',
  deadline: 5000,
  proof: { sentence: 'it came', observe: () => Promise.resolve({ ok: false, evidence: 'it did not come' }) },
};

/** Every kind of step: once and for each target, holds until a later step, happened, check, wait, approval, point of no return. */
export const everyKind: Runbook = {
  id: 'every-kind',
  version: '1',
  title: 'a step of every kind',
  parameters: [
    { name: 'window', type: 'integer', help: 'targets at once', default: 2, minimum: 1 },
    { name: 'final', type: 'boolean', help: 'go beyond return', default: true },
  ],
  targets: allTargets,
  stages: [
    { id: 'common', title: 'Prepare', lanes: 'once', steps: [prepare] },
    {
      id: 'each',
      title: 'Change',
      lanes: 'each-target',
      window: { parameter: 'window' },
      steps: [
        setKey('first', 'first', '1'),
        setKey('value', 'value', 'between', { proof: { ...setKey('x', 'value', 'between').proof, until: 'again' } }),
        ready,
        { id: 'settle', kind: 'wait', title: 'let it settle', duration: 2000 },
        { id: 'ask', kind: 'approval', title: 'ask' },
        setKey('again', 'value', 'after'),
      ],
    },
    {
      id: 'end',
      title: 'Finish',
      lanes: 'each-target',
      steps: [
        setKey('final', 'final', 'yes', { undo: 'point-of-no-return', when: { parameter: 'final', equals: true } }),
      ],
    },
  ],
};

/** What a step of a random plan is. */
export type RandomStep = 'holds' | 'happened' | 'nothing to undo' | 'check' | 'wait' | 'approval' | 'create';

/** A stage of a random plan. */
export interface RandomStage {
  readonly lanes: 'once' | 'each-target';
  readonly window: number;
  readonly steps: readonly { readonly kind: RandomStep; readonly key: string }[];
}

/** A runbook of random stages; stages of one lane only create, look, wait and ask. */
export function randomRunbook(stages: readonly RandomStage[]): Runbook {
  return {
    id: 'random',
    version: '1',
    title: 'a random plan',
    parameters: [],
    targets: allTargets,
    stages: stages.map(({ lanes, window, steps }, place) => ({
      id: `s${place}`,
      title: `stage ${place}`,
      lanes,
      window,
      steps: steps.map(({ kind, key }, index) => randomStep(`s${place}k${index}`, kind, key, lanes === 'once')),
    })),
  };
}

function randomStep(id: string, kind: RandomStep, key: string, once: boolean): StepDefinition {
  const so = () => Promise.resolve({ ok: true, evidence: 'it is so' });
  if (once && !['wait', 'approval', 'check'].includes(kind)) return createMap(id);
  switch (kind) {
    case 'wait':
      return { id, kind: 'wait', title: 'wait', duration: 3000 };
    case 'approval':
      return { id, kind: 'approval', title: 'ask' };
    case 'check':
      return { id, kind: 'check', title: 'look', deadline: 5000, proof: { sentence: 'it is so', observe: so } };
    case 'create':
      return createMap(id);
    case 'nothing to undo':
      return { ...setKey(id, key, id), act: () => Promise.resolve(), proof: passed(so), undo: { nothing: 'nothing' } };
    case 'happened':
      return setKey(id, key, id, { proof: happened(key, id) });
    // A key of its own: another step of the same key would take away what must hold.
    case 'holds':
      return setKey(id, `${key}-${id}`, id);
    default:
      return kind satisfies never;
  }
}

const passed = (observe: ActionStep['proof']['observe']): ActionStep['proof'] => ({
  kind: 'happened',
  sentence: 'it is so',
  observe,
});

/** Makes a map of the step's own for each lane, and removes it. */
function createMap(id: string): ActionStep {
  const nameOf = ({ target }: StepScope): string => `made-${id}-${target?.name ?? 'once'}`;
  const isMade = async (ctx: Context, scope: StepScope): Promise<boolean> => {
    const found = await scope.client.list(ctx, configMaps, { namespace: testNamespace });
    return found.items.some((one) => one.metadata.name === nameOf(scope));
  };
  const unless = (status: 'AlreadyExists' | 'NotFound') => (error: unknown) => {
    if (!isStatus(error, status)) throw error;
  };
  return {
    ...prepare,
    id,
    act: async (ctx, scope) =>
      void (await scope.client
        .create(ctx, configMaps, mapOf(nameOf(scope), { made: 'yes' }))
        .catch(unless('AlreadyExists'))),
    proof: {
      kind: 'holds',
      sentence: 'the map is there',
      observe: async (ctx, scope) => ({ ok: await isMade(ctx, scope), evidence: 'it was looked for' }),
    },
    undo: {
      title: 'remove the map',
      act: async (ctx, scope) =>
        void (await scope.client
          .delete(ctx, configMaps, { namespace: testNamespace, name: nameOf(scope) })
          .catch(unless('NotFound'))),
      prove: async (ctx, scope) => ({ ok: !(await isMade(ctx, scope)), evidence: 'it was looked for' }),
    },
  };
}

const happened = (key: string, value: string): ActionStep['proof'] => ({
  kind: 'happened',
  sentence: `${key} is ${value}`,
  observe: async (ctx, scope) => says(await look(ctx, scope, key), value),
});
