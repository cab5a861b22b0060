/**
 * The hub's own API, embedded or any Kubernetes cluster: which of the two is an address, and everything that differs
 * between them stands in the two implementations of `HubApi`.
 */
import type { Context } from '@polyanthus/ground-base/context';
import type { CallersApi } from '@polyanthus/engine-gateway/hub-api';
import type { Attributes, Decision } from '@polyanthus/kube-access/user';
import type { KubeClient } from '@polyanthus/kube-client/client';
import type { Informers } from '@polyanthus/kube-runtime/informers';

/** Where it is; plain data, so that a worker can be given it. */
export type HubApiAddress =
  | { readonly kind: 'embedded'; readonly socketPath: string }
  | { readonly kind: 'kubeconfig'; readonly file: string }
  | { readonly kind: 'in-cluster' };

/** Whether somebody may. */
export type Authorize = (ctx: Context, attributes: Attributes) => Promise<Decision>;

/** The hub's own API as the hub uses it. */
export interface HubApi {
  /** A client with the hub's own rights; `component` is what audit logs see where the API lets the hub choose. */
  clientOf(component: string): KubeClient;
  /** How callers' requests get there. */
  readonly callers: CallersApi;
  /** Decides as that API decides. `onChange` is called when a decision may have become another. */
  authorizer(ctx: Context, informers: Informers, onChange: () => void): Authorize;
}
