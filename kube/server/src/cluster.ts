/** One logical cluster: its objects, its kinds, who may do what. What verbs need; composition is in logical-cluster.ts. */
import type { Context } from '@polyanthus/ground-base/context';
import { matchesPattern } from '@polyanthus/ground-cel/pattern';
import type { Gauge, MetricsRegistry } from '@polyanthus/ground-base/metrics';
import type { Random } from '@polyanthus/ground-base/random';
import type { Authenticator } from '@polyanthus/kube-access/authenticators';
import type { ReferenceGuard } from '@polyanthus/kube-access/reference-guard';
import { verifyToken } from '@polyanthus/kube-access/service-account-tokens';
import type { Attributes, Decision, UserInfo } from '@polyanthus/kube-access/user';
import { createRbacAuthorizer, type RbacAuthorizer } from '@polyanthus/kube-access/rbac';
import { unverifiedClaims } from '@polyanthus/ground-pki/jwt';
import { validate } from '@polyanthus/kube-objects/validate';
import { ruleFaults } from './crd/rules.ts';
import type { ApiObject, Faults } from './api-object.ts';
import { isLive } from './access/is-live.ts';
import { tokenIssuerName, type ClusterIdentity } from './access/identity.ts';
import { rbacSource } from './access/rbac-source.ts';
import type { ResourceDefinition } from './registry/definition.ts';
import { keyOf, prefixOf } from './registry/keys.ts';
import type { Registry } from './registry/registry.ts';
import type { WebhookDialer } from './webhook-dialer.ts';
import { KeyedMutex } from './keyed-mutex.ts';
import type { KubeletDialer } from './kubelet-dialer.ts';
import type { Store, StoredObject } from './store/store.ts';

export interface ClusterParts {
  readonly name: string;
  readonly store: Store;
  readonly registry: Registry;
  readonly random: Random;
  readonly metrics: MetricsRegistry;
  /** Made when first needed: it costs some time. */
  readonly identity: () => Promise<ClusterIdentity>;
  /** Absent: exec, attach, port-forward and logs are not served. */
  readonly dialKubelet?: KubeletDialer;
  /** How webhooks that are Services are reached; absent: at their ready endpoints. */
  readonly dialWebhook?: WebhookDialer;
  /** Of bearer tokens that are no ServiceAccount's, for TokenReview. */
  readonly tokenAuthenticators: readonly Authenticator[];
  /** Rules on objects that hand out rights by naming others. */
  readonly referenceGuards: readonly ReferenceGuard[];
}

/** A pattern that is none matches nothing, as with kube-apiserver, which accepts such a CRD. */
function matches(pattern: string, text: string): boolean {
  try {
    return matchesPattern(pattern, text);
  } catch {
    return false;
  }
}

/** Whose token it is, and for which of the audiences asked for. */
export interface ReviewedToken {
  readonly user: UserInfo;
  readonly audiences: readonly string[];
}

export class Cluster {
  readonly name: string;
  readonly store: Store;
  readonly registry: Registry;
  readonly random: Random;
  readonly metrics: MetricsRegistry;
  readonly watchers: Gauge;
  readonly identity: () => Promise<ClusterIdentity>;
  readonly dialKubelet: KubeletDialer | undefined;
  readonly dialWebhook: WebhookDialer | undefined;
  readonly rbac: RbacAuthorizer;
  readonly referenceGuards: readonly ReferenceGuard[];
  /** Of changes that must see each other: to one disruption budget, to the quotas of one namespace. */
  readonly locks = new KeyedMutex();
  readonly #closing = new Set<() => void>();
  readonly #withdrawing = new Map<string, Set<() => void>>();

  readonly #tokenAuthenticators: readonly Authenticator[];

  constructor(parts: ClusterParts) {
    this.name = parts.name;
    this.store = parts.store;
    this.registry = parts.registry;
    this.random = parts.random;
    this.metrics = parts.metrics;
    this.identity = parts.identity;
    this.dialKubelet = parts.dialKubelet;
    this.dialWebhook = parts.dialWebhook;
    this.#tokenAuthenticators = parts.tokenAuthenticators;
    this.referenceGuards = parts.referenceGuards;
    this.rbac = createRbacAuthorizer(rbacSource(this));
    this.watchers = parts.metrics.gauge('apiserver_registered_watchers', 'Watches that are open now.');
  }

  /** Whether a user may do something. Members of system:masters may do everything, whatever RBAC says. */
  async authorize(attributes: Attributes): Promise<Decision> {
    if (attributes.user.groups.includes('system:masters')) return { allowed: true, reason: '' };
    return this.rbac.authorize(attributes);
  }

  /**
   * The user of a token: a ServiceAccount's for one of the audiences, or one that any other authenticator of this cluster
   * knows. Undefined for unknown tokens. Throws Unauthorized.
   */
  async reviewToken(ctx: Context, token: string, audiences: readonly string[]): Promise<ReviewedToken | undefined> {
    const { tokenIssuer } = await this.identity();
    const account = await verifyToken(ctx, token, tokenIssuer, audiences, async (_ctx, claims) => isLive(this, claims));
    if (account !== undefined) {
      const own = [unverifiedClaims(token)?.aud ?? []].flat();
      return { user: account, audiences: audiences.filter((one) => own.includes(one)) };
    }
    // The others know of no audiences: their tokens are for this API and for nobody else.
    if (!audiences.includes(tokenIssuerName)) return undefined;
    const asIfAsked = { headers: { authorization: `Bearer ${token}` }, peer: { address: 'token review' } };
    for (const authenticate of this.#tokenAuthenticators) {
      const user = await authenticate(ctx, asIfAsked);
      if (user === undefined) continue;
      return { user: { ...user, groups: [...user.groups, 'system:authenticated'] }, audiences: [tokenIssuerName] };
    }
    return undefined;
  }

  /** A stored namespace. */
  namespace(name: string): StoredObject | undefined {
    return this.find('', 'namespaces', '', name);
  }

  /** A stored object of any served version of a resource. */
  find(group: string, resource: string, namespace: string, name: string): StoredObject | undefined {
    const definition = this.registry.findAny(group, resource);
    return definition === undefined ? undefined : this.store.get(keyOf(this.name, definition, namespace, name));
  }

  /** All stored objects of a resource, of one namespace when given. */
  listAll(group: string, resource: string, namespace = ''): readonly StoredObject[] {
    const definition = this.registry.findAny(group, resource);
    return definition === undefined ? [] : this.store.range(prefixOf(this.name, definition, namespace)).objects;
  }

  /** Faults by the schema of custom kinds, and by the rules in it; built-in ones have their own. */
  schemaFaults(definition: ResourceDefinition, after: ApiObject, before: ApiObject | undefined): Faults {
    if (!definition.custom) return [];
    const faults = validate(after, definition.schema, before, { matches });
    return [...faults, ...ruleFaults(after, definition.schema, before, faults)];
  }

  /** Calls `fn` when the cluster closes; returns how to take it back. */
  onClose(fn: () => void): () => void {
    this.#closing.add(fn);
    return () => void this.#closing.delete(fn);
  }

  /** Calls `fn` when the resource is no longer served; returns how to take it back. */
  onWithdrawn({ type }: ResourceDefinition, fn: () => void): () => void {
    const key = `${type.group}/${type.resource}`;
    const set = this.#withdrawing.get(key) ?? new Set();
    this.#withdrawing.set(key, set);
    set.add(fn);
    return () => void set.delete(fn);
  }

  /** Ends the watches of a resource that is no longer served. */
  endWatches(group: string, resource: string): void {
    const set = this.#withdrawing.get(`${group}/${resource}`);
    this.#withdrawing.delete(`${group}/${resource}`);
    for (const fn of set ?? []) fn();
  }

  /** Ends all watches. */
  close(): void {
    for (const fn of this.#closing) fn();
    this.#closing.clear();
  }
}
