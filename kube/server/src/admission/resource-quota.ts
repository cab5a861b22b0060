/**
 * ResourceQuota (apiserver plugin/resourcequota): what a write takes is charged to every quota that counts it before the
 * object exists, with compare-and-swap, one write of a namespace after another. A charge whose object then is not created
 * after all is given back by the quota controller's next count.
 */
import { counts, quotaEvaluator } from '@polyanthus/kube-kinds/quota/evaluators';
import type { QuotaEvaluator, QuotaOperation } from '@polyanthus/kube-kinds/quota/evaluator';
import {
  addResources,
  equalResources,
  exceeding,
  maskResources,
  readResources,
  resourcesText,
  subtractResources,
  withoutZeroResources,
  writeResources,
  type ResourceList,
} from '@polyanthus/kube-kinds/quota/resource-list';
import type { ResourceQuota } from '@polyanthus/kube-kinds/quota/resource-quota';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import { conflict } from '@polyanthus/kube-objects/status';
import { objectAt, type ApiObject } from '../api-object.ts';
import { encodeAt, indexOf, parseStored } from '../encode.ts';
import { trackFields } from '../fields.ts';
import { statusScope } from '../internal-scope.ts';
import { isDryRun, type Scope } from '../scope.ts';
import type { StoredObject } from '../store/store.ts';
import { forbidden } from './namespace-lifecycle.ts';
import type { Operation } from './plugin.ts';

/** A quota that changed under a charge is read and charged again, this often. */
const retries = 3;

const modified = 'the object has been modified; please apply your changes to the latest version and try again';

interface Quota {
  readonly stored: StoredObject;
  readonly object: ApiObject;
}

interface Charge {
  readonly quota: Quota;
  readonly used: ResourceList;
}

/** Charges a write to the quotas of its namespace. Throws Forbidden when one would be exceeded. */
export async function resourceQuota(
  scope: Scope,
  operation: Operation,
  object: ApiObject,
  before: ApiObject | undefined,
): Promise<void> {
  const { type } = scope.definition;
  if (operation === 'DELETE' || !type.namespaced || quotasOf(scope).length === 0) return;
  const evaluator = quotaEvaluator(type.group, type.resource);
  const write: QuotaOperation = {
    operation,
    subresource: scope.subresource,
    object: object as unknown as KubeObject,
    before: before as unknown as KubeObject | undefined,
  };
  if (evaluator === undefined || !evaluator.handles(write)) return;
  await scope.cluster.locks.run(`quota/${scope.namespace}`, () => charge(scope, evaluator, write));
}

const quotasOf = (scope: Scope): readonly Quota[] =>
  scope.cluster
    .listAll('', 'resourcequotas', scope.namespace)
    .map((stored) => ({ stored, object: parseStored(stored) }));

async function charge(scope: Scope, evaluator: QuotaEvaluator, write: QuotaOperation): Promise<void> {
  let quotas = quotasOf(scope);
  for (let attempt = 0; ; attempt++) {
    const charges = chargesOf(scope, evaluator, write, quotas);
    if (isDryRun(scope)) return;
    const lost = new Set<string>();
    for (const one of charges) if (!(await store(scope, one))) lost.add(nameOf(one.quota));
    if (lost.size === 0) return;
    if (attempt === retries) throw conflict('', 'resourcequotas', [...lost].join(', '), modified);
    quotas = quotasOf(scope).filter((quota) => lost.has(nameOf(quota)));
  }
}

const nameOf = ({ object }: Quota): string => object.metadata.name ?? '';

/** False when the quota changed meanwhile. */
async function store(scope: Scope, { quota, used }: Charge): Promise<boolean> {
  const { cluster, ctx } = scope;
  const definition = cluster.registry.findAny('', 'resourcequotas');
  if (definition === undefined) return true;
  const { stored, object } = quota;
  const changed = { ...object, status: { ...objectAt(object, 'status'), used: writeResources(used) } };
  const after = trackFields(statusScope(scope, definition, nameOf(quota)), object, changed);
  const result = await cluster.store.write(ctx, {
    kind: 'put',
    key: stored.key,
    expected: stored.revision,
    encode: (revision) => encodeAt(after, revision),
    index: indexOf(after, definition),
  });
  return result.ok;
}

/** What each quota's use would be; only those that change. */
function chargesOf(
  scope: Scope,
  evaluator: QuotaEvaluator,
  write: QuotaOperation,
  quotas: readonly Quota[],
): readonly Charge[] {
  const { object, before } = write;
  const name = object.metadata.name ?? '';
  const mine = quotas.filter((quota) => counts(asQuota(quota), evaluator, object));
  for (const quota of mine) requireReady(scope, evaluator, object, quota);
  const nowMs = scope.ctx.clock.now();
  const usage = evaluator.usage(object, nowMs);
  const negative = Object.keys(usage).filter((key) => (usage[key]?.nano ?? 0n) < 0n);
  if (negative.length > 0)
    throw forbidden(scope, name, `quota usage is negative for resource(s): ${negative.toSorted().join(',')}`);
  return mine.flatMap((quota) => {
    // What moves from one quota to another by an update is new to the other.
    const had = before !== undefined && counts(asQuota(quota), evaluator, before);
    const more = withoutZeroResources(had ? subtractResources(usage, evaluator.usage(before, nowMs)) : usage);
    const { hard, used } = amountsOf(quota);
    const wanted = maskResources(more, Object.keys(hard));
    const after = addResources(used, wanted);
    if (scope.subresource !== 'status') requireRoom(scope, name, quota, { hard, used, wanted, after });
    return equalResources(used, after) ? [] : [{ quota, used: after }];
  });
}

const asQuota = ({ object }: Quota): ResourceQuota => object as unknown as ResourceQuota;

function amountsOf({ object }: Quota): { readonly hard: ResourceList; readonly used: ResourceList } {
  const status = objectAt(object, 'status');
  return { hard: readResources(status['hard']), used: readResources(status['used']) };
}

/** The object says what the quota counts, and the quota has been counted. */
function requireReady(scope: Scope, evaluator: QuotaEvaluator, object: KubeObject, quota: Quota): void {
  const { hard, used } = amountsOf(quota);
  const names = evaluator.matching(Object.keys(hard));
  const [name, quotaName] = [object.metadata.name ?? '', nameOf(quota)];
  const fault = evaluator.constraint(names, object);
  if (fault !== undefined) throw forbidden(scope, name, `failed quota: ${quotaName}: ${fault}`);
  if (names.some((one) => !(one in used)))
    throw forbidden(scope, name, `status unknown for quota: ${quotaName}, resources: ${names.toSorted().join(',')}`);
}

interface Amounts {
  readonly hard: ResourceList;
  readonly used: ResourceList;
  readonly wanted: ResourceList;
  readonly after: ResourceList;
}

function requireRoom(scope: Scope, name: string, quota: Quota, { hard, used, wanted, after }: Amounts): void {
  const over = exceeding(maskResources(after, Object.keys(wanted)), hard);
  if (over.length === 0) return;
  const text = (list: ResourceList): string => resourcesText(maskResources(list, over));
  throw forbidden(
    scope,
    name,
    `exceeded quota: ${nameOf(quota)}, requested: ${text(wanted)}, used: ${text(used)}, limited: ${text(hard)}`,
  );
}
