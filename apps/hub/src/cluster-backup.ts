/**
 * Backup and restore of a hub whose API is a Kubernetes cluster: its keys, the fleet's objects and pending enrolments,
 * over the API. Its rights come with `polyanthus hub manifests`; everything else there belongs to the cluster's own backup.
 */
import type { Context } from '@polyanthus/ground-base/context';
import { enrolmentSecretType } from '@polyanthus/domains-fleet/enrolment';
import { formerUidsAnnotation, formerUidsOf } from '@polyanthus/domains-fleet/former-uids';
import { ignoreGone } from '@polyanthus/domains-fleet/register';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { namespaces, secrets, type Secret } from '@polyanthus/kube-kinds/core';
import {
  fleetNamespaces,
  fleetRoleBindings,
  membershipBindings,
  memberships,
  scopes,
  type Membership,
} from '@polyanthus/kube-kinds/own/fleet';
import { fieldManager } from '@polyanthus/kube-kinds/own/ownership';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import type { ResourceType } from '@polyanthus/kube-objects/resource';
import { isStatus } from '@polyanthus/kube-objects/status';
import { storeErrors } from '@polyanthus/kube-server/store/errors';
import { invalid, line, openBackup, parseBackupLine, writeBackup } from './backup-file.ts';
import { identitySecretType } from './cluster-identity.ts';

/** In the order of restoring: what others name comes first. Manifests and rights are computed from these. */
const fleetTypes: readonly ResourceType[] = [
  memberships,
  scopes,
  membershipBindings,
  fleetNamespaces,
  fleetRoleBindings,
];
const types: readonly ResourceType[] = [namespaces, secrets, ...fleetTypes];
const pageSize = 500;

/** Writes the file. `namespace` is where the Secret with the hub's keys is. */
export function backupCluster(
  ctx: Context,
  client: KubeClient,
  namespace: string,
  path: string,
): Promise<{ readonly bytes: number }> {
  return writeBackup(ctx, path, 'kubernetes', payloadOf(ctx, client, namespace));
}

async function* payloadOf(ctx: Context, client: KubeClient, namespace: string): AsyncIterableIterator<Uint8Array> {
  const identity = await identityIn(ctx, client, namespace);
  if (identity === undefined)
    throw storeErrors.error('StoreUnavailable', `namespace ${namespace} has no Secret of type ${identitySecretType}`, {
      next: 'Name the namespace of the hub with --namespace.',
    });
  const found = new Map<ResourceType, readonly KubeObject[]>();
  for (const type of fleetTypes) found.set(type, (await client.listAll(ctx, type, { pageSize })).items);
  const fleets = new Set([...found.values()].flat().map((one) => one.metadata.namespace ?? ''));
  for (const name of new Set([namespace, ...fleets]))
    yield objectLine(await client.get(ctx, namespaces, { name }), namespaces);
  yield objectLine(identity, secrets);
  for (const [type, items] of found) for (const one of items) yield objectLine(one, type);
  for (const fleet of fleets) {
    const fieldSelector = `type=${enrolmentSecretType}`;
    for (const one of (await client.listAll(ctx, secrets, { namespace: fleet, fieldSelector, pageSize })).items)
      yield objectLine(one, secrets);
  }
}

/** Items of a list carry no kind of their own. */
function objectLine(object: KubeObject, type: ResourceType): Uint8Array {
  const apiVersion = type.group === '' ? type.version : `${type.group}/${type.version}`;
  return line({ object: { ...object, apiVersion, kind: type.kind } });
}

async function identityIn(ctx: Context, client: KubeClient, namespace: string): Promise<Secret | undefined> {
  const found = await client.list(ctx, secrets, { namespace, fieldSelector: `type=${identitySecretType}`, limit: 1 });
  return found.items[0];
}

/**
 * Creates the objects in a cluster that has the kinds but no hub yet; what was made is removed when one fails. The new
 * API server gives new uids: Memberships note their old ones, so that agents keep their certificates.
 * Throws BackupInvalid, StoreNotEmpty.
 */
export async function restoreCluster(
  ctx: Context,
  client: KubeClient,
  namespace: string,
  path: string,
): Promise<number> {
  const backup = await openBackup(ctx, path);
  if (backup.header.hub !== 'kubernetes')
    throw invalid(path, 'it was taken of a hub on its embedded API server; restore it with --data-dir');
  const objects: { readonly type: ResourceType; readonly object: KubeObject }[] = [];
  for await (const bytes of backup.payload(ctx)) objects.push(readObject(path, bytes));
  await requireNoHub(ctx, client, namespace);
  const restoring = new Restoring(client);
  try {
    for (const { type, object } of objects) await restoring.add(ctx, type, object);
  } catch (error) {
    await restoring.undo(ctx);
    throw error;
  }
  return objects.length;
}

function readObject(path: string, bytes: Uint8Array): { readonly type: ResourceType; readonly object: KubeObject } {
  const { object } = parseBackupLine(path, bytes) as { readonly object?: KubeObject };
  const type = types.find(
    (one) =>
      one.kind === object?.kind &&
      (one.group === '' ? one.version : `${one.group}/${one.version}`) === object.apiVersion,
  );
  if (object === undefined || type === undefined)
    throw invalid(path, `it has an object of an unknown kind ${object?.kind}`);
  return { type, object };
}

async function requireNoHub(ctx: Context, client: KubeClient, namespace: string): Promise<void> {
  const [member] = (await client.list(ctx, memberships, { limit: 1 })).items;
  const identity = await identityIn(ctx, client, namespace);
  const found = identity === undefined ? member : identity;
  if (found === undefined) return;
  const name = `${found.metadata.namespace}/${found.metadata.name}`;
  throw storeErrors.error(
    'StoreNotEmpty',
    `the cluster has a hub already: ${identity === undefined ? 'Membership' : 'Secret'} ${name}`,
    {
      next: 'Restore into a cluster without one: stop the hub there, then delete its Secret and its Memberships.',
    },
  );
}

class Restoring {
  readonly #client: KubeClient;
  readonly #made: ((ctx: Context) => Promise<void>)[] = [];
  /** New uids by old ones. */
  readonly #uids = new Map<string, string>();

  constructor(client: KubeClient) {
    this.#client = client;
  }

  async add(ctx: Context, type: ResourceType, object: KubeObject): Promise<void> {
    const { name, namespace, uid = '' } = object.metadata;
    try {
      const made = await this.#client.create(ctx, type, this.#fresh(type, object), { fieldManager });
      const key = { name: made.metadata.name ?? '', namespace };
      const preconditions = { uid: made.metadata.uid ?? '' };
      this.#made.push((inner) => ignoreGone(this.#client.delete(inner, type, key, { preconditions })));
      this.#uids.set(uid, preconditions.uid);
      const { status } = object as { readonly status?: object };
      if (status !== undefined && fleetTypes.includes(type))
        await this.#client.patch(
          ctx,
          type,
          key,
          { type: 'merge', body: { status } },
          { fieldManager, subresource: 'status' },
        );
    } catch (error) {
      // A namespace may be there already: `default` always is.
      if (type !== namespaces || !isStatus(error, 'AlreadyExists')) throw error;
      const body = { metadata: { labels: object.metadata.labels ?? {} } };
      await this.#client.patch(ctx, type, { name: name ?? '' }, { type: 'merge', body }, { fieldManager });
    }
  }

  async undo(ctx: Context): Promise<void> {
    for (const step of this.#made.splice(0).reverse()) await step(ctx);
  }

  /** What the object was made of: nothing that the API server gives. */
  #fresh(type: ResourceType, object: KubeObject): KubeObject {
    const { name, namespace, labels, annotations, ownerReferences } = object.metadata;
    const { status: _status, ...rest } = object as KubeObject & { readonly status?: unknown };
    const note = type === memberships ? { [formerUidsAnnotation]: formerUidsOf(object as Membership) } : {};
    const metadata = {
      name: name ?? '',
      ...(namespace === undefined ? {} : { namespace }),
      ...(labels === undefined ? {} : { labels }),
      annotations: { ...annotations, ...note },
      ...(ownerReferences === undefined
        ? {}
        : { ownerReferences: ownerReferences.map((one) => ({ ...one, uid: this.#uids.get(one.uid) ?? one.uid })) }),
    };
    return type === secrets ? this.#freshSecret({ ...rest, metadata } as Secret) : { ...rest, metadata };
  }

  /** A pending enrolment names its membership by uid. */
  #freshSecret(secret: Secret): Secret {
    const old = Buffer.from(secret.data?.['membershipUid'] ?? '', 'base64').toString('utf8');
    const uid = this.#uids.get(old);
    if (secret.type !== enrolmentSecretType || uid === undefined) return secret;
    return { ...secret, data: { ...secret.data, membershipUid: Buffer.from(uid).toString('base64') } };
  }
}
