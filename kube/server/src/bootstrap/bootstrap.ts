/** Writes the objects that a new cluster begins with, past admission; what is there already stays as it is. */
import type { Context } from '@polyanthus/ground-base/context';
import { timestamp, type ApiObject } from '../api-object.ts';
import type { Cluster } from '../cluster.ts';
import { encodeAt, indexOf } from '../encode.ts';
import { keyOf } from '../registry/keys.ts';
import { bootstrapNamespaces } from './namespaces.ts';
import { bootstrapPriorityClasses } from './priority-classes.ts';
import { bootstrapRoles } from './roles.ts';

/** Fills an empty cluster. */
export async function bootstrap(ctx: Context, cluster: Cluster): Promise<void> {
  await Promise.all(
    [...bootstrapNamespaces, ...bootstrapRoles, ...bootstrapPriorityClasses].map((object) =>
      ensure(ctx, cluster, object),
    ),
  );
}

async function ensure(ctx: Context, cluster: Cluster, object: ApiObject): Promise<void> {
  const [group = '', version = ''] = object.apiVersion.includes('/')
    ? object.apiVersion.split('/')
    : ['', object.apiVersion];
  const definition = cluster.registry
    .all()
    .find(({ type }) => type.group === group && type.version === version && type.kind === object.kind);
  if (definition === undefined) throw new Error(`bootstrap object of unknown kind ${object.apiVersion} ${object.kind}`);
  const { name = '', namespace = '' } = object.metadata;
  const key = keyOf(cluster.name, definition, namespace, name);
  if (cluster.store.get(key) !== undefined) return;
  const whole: ApiObject = {
    ...object,
    metadata: { ...object.metadata, uid: cluster.random.uuid(), creationTimestamp: timestamp(ctx.clock.now()) },
  };
  await cluster.store.write(ctx, {
    kind: 'put',
    key,
    expected: 0,
    encode: (revision) => encodeAt(whole, revision),
    index: indexOf(whole, definition),
  });
}
