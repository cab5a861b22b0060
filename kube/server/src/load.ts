/**
 * Puts a copy of a cluster's objects into one as they are: uids, owner references, status and times stay, because everything
 * in a copy that names something by its uid (owners, claims, events) must still find it. Past admission and RBAC, so never
 * for anybody's request.
 */
import type { Context } from '@polyanthus/ground-base/context';
import { StatusError } from '@polyanthus/kube-objects/status';
import { timestamp, withMeta, type ApiObject, type Faults } from './api-object.ts';
import type { Cluster } from './cluster.ts';
import { fit } from './codec.ts';
import type { CrdController } from './crd/controller.ts';
import { encodeAt, indexOf, toStorage } from './encode.ts';
import { applyKindDefaults } from './kinds/defaults.ts';
import { createFaults } from './metadata.ts';
import type { ResourceDefinition } from './registry/definition.ts';
import { keyOf } from './registry/keys.ts';

/** An object, and what is wrong with it here. */
export interface LoadNote {
  /** `apps/v1 Deployment shop/web`. */
  readonly object: string;
  readonly reason: string;
}

/** What became of the objects. */
export interface LoadOutcome {
  readonly loaded: number;
  /** Objects that are not there now. */
  readonly refused: readonly LoadNote[];
  /** Objects that are not there because this server stores nothing of their kind: ComponentStatus, metrics, FlowSchema. */
  readonly unserved: readonly LoadNote[];
  /** Objects that are there without a part: fields that this version does not know. */
  readonly changed: readonly LoadNote[];
}

const crdGroup = 'apiextensions.k8s.io';
/** Writes that wait for the store together. */
const batch = 500;

/** CRDs first, then namespaces, then the rest; an object that is there already is replaced. */
export async function loadObjects(
  ctx: Context,
  cluster: Cluster,
  crds: CrdController,
  objects: readonly ApiObject[],
): Promise<LoadOutcome> {
  const stages: readonly (readonly ApiObject[])[] = [
    objects.filter((one) => groupOf(one) === crdGroup),
    objects.filter((one) => one.apiVersion === 'v1' && one.kind === 'Namespace'),
    objects.filter((one) => groupOf(one) !== crdGroup && !(one.apiVersion === 'v1' && one.kind === 'Namespace')),
  ];
  const outcome: Outcome = { loaded: 0, refused: [], unserved: [], changed: [] };
  for (const stage of stages) {
    for (let at = 0; at < stage.length; at += batch)
      await Promise.all(stage.slice(at, at + batch).map((object) => loadOne(ctx, cluster, object, outcome)));
    await crds.settled();
  }
  return outcome;
}

const groupOf = ({ apiVersion }: ApiObject): string =>
  apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '';

function nameOf({ apiVersion, kind, metadata }: ApiObject): string {
  const { namespace = '', name = '' } = metadata;
  return `${apiVersion} ${kind} ${namespace === '' ? '' : `${namespace}/`}${name}`;
}

async function loadOne(ctx: Context, cluster: Cluster, object: ApiObject, outcome: Outcome): Promise<void> {
  try {
    const unknown = await insert(ctx, cluster, object);
    outcome.loaded++;
    if (unknown.length > 0)
      outcome.changed.push({ object: nameOf(object), reason: `left out, not known here: ${unknown.join(', ')}` });
  } catch (error) {
    if (!(error instanceof StatusError || error instanceof NotLoadable)) throw error;
    const list = error instanceof NotLoadable && error.unserved ? outcome.unserved : outcome.refused;
    list.push({ object: nameOf(object), reason: error.message });
  }
}

interface Outcome {
  loaded: number;
  readonly refused: LoadNote[];
  readonly unserved: LoadNote[];
  readonly changed: LoadNote[];
}

class NotLoadable extends Error {
  readonly unserved: boolean;

  constructor(message: string, unserved = false) {
    super(message);
    this.unserved = unserved;
  }
}

/** Answers the fields that were left out. */
async function insert(ctx: Context, cluster: Cluster, given: ApiObject): Promise<readonly string[]> {
  const definition = definitionOf(cluster, given);
  const nowMs = ctx.clock.now();
  const { value: fitted, unknown } = fit(definition, given);
  const value = applyKindDefaults(definition, fitted);
  const object = withMeta(value, {
    resourceVersion: undefined,
    selfLink: undefined,
    uid: value.metadata.uid ?? cluster.random.uuid(),
    creationTimestamp: value.metadata.creationTimestamp ?? timestamp(nowMs),
  });
  const faults = faultsOf(cluster, definition, object, nowMs);
  if (faults.length > 0)
    throw new NotLoadable(faults.map((one) => `${one.field ?? ''}: ${one.message ?? ''}`).join('; '));
  const { namespace = '', name = '' } = object.metadata;
  if (definition.type.namespaced && cluster.namespace(namespace) === undefined)
    throw new NotLoadable(`its namespace ${namespace} is not in the copy`);
  const key = keyOf(cluster.name, definition, namespace, name);
  const kept = toStorage(object, definition);
  const result = await cluster.store.write(ctx, {
    kind: 'put',
    key,
    expected: cluster.store.get(key)?.revision ?? 0,
    encode: (revision) => encodeAt(kept, revision),
    index: indexOf(kept, definition),
  });
  if (!result.ok) throw new NotLoadable('the copy has another object of this name');
  return unknown;
}

function definitionOf(cluster: Cluster, { apiVersion, kind }: ApiObject): ResourceDefinition {
  const [group = '', version = ''] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion];
  const all = cluster.registry.all().filter(({ type }) => type.group === group && type.kind === kind);
  const found = all.find(({ type }) => type.version === version);
  if (found !== undefined && found.verbs.includes('list')) return found;
  const others = all.map(({ type }) => type.version).join(', ');
  if (others === '' || found !== undefined) throw new NotLoadable('nothing of this kind is stored here', true);
  throw new NotLoadable(`version ${version} of this kind is not served here, only ${others}`);
}

function faultsOf(cluster: Cluster, definition: ResourceDefinition, object: ApiObject, nowMs: number): Faults {
  return [
    ...createFaults(object, definition),
    ...cluster.schemaFaults(definition, object, undefined),
    ...(definition.strategy.faults?.(object, undefined, { nowMs, subresource: '' }) ?? []),
  ];
}
