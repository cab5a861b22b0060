/** The embedded API server: many logical clusters in one process over one store (DESIGN section 4). */
import type { Context } from '@polyanthus/ground-base/context';
import { systemRandom, type Random } from '@polyanthus/ground-base/random';
import type { Handler } from '@polyanthus/ground-http/message';
import { dns1123Label } from '@polyanthus/kube-objects/names';
import { errorAnswer } from './answers.ts';
import { serverErrors } from './errors.ts';
import { createLogicalCluster, type ClusterOptions, type LogicalCluster } from './logical-cluster.ts';
import { builtinDefinitions } from './registry/builtin.ts';
import { indexDefinitions } from './registry/registry.ts';
import { noSuchPath } from './router.ts';
import type { Store } from './store/store.ts';

export interface ApiServerOptions {
  /** Holds all logical clusters; the caller closes it after the server. */
  readonly store: Store;
  readonly random?: Random;
}

export interface ApiServer {
  /** All logical clusters: `/clusters/<name>/…`. */
  readonly handler: Handler;
  cluster(name: string): LogicalCluster | undefined;
  /** A new cluster, or the one that the store holds under this name. Throws ClusterNameTaken, ClusterNameInvalid. */
  createCluster(ctx: Context, name: string, options?: ClusterOptions): Promise<LogicalCluster>;
  /** Ends all watches. */
  close(): Promise<void>;
}

const prefix = /^\/clusters\/([^/?]+)/;

/** An API server over a store: many logical clusters in one process, none before `createCluster`. */
export async function createApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const builtin = indexDefinitions(await builtinDefinitions());
  const random = options.random ?? systemRandom;
  const clusters = new Map<string, LogicalCluster>();
  return {
    handler: async (ctx, request) => {
      const match = prefix.exec(request.url);
      const cluster = clusters.get(match?.[1] ?? '');
      if (match === null || cluster === undefined) return errorAnswer(noSuchPath());
      const rest = request.url.slice(match[0].length);
      return cluster.handler(ctx, { ...request, url: rest.startsWith('/') ? rest : `/${rest}` });
    },
    cluster: (name) => clusters.get(name),
    createCluster: async (ctx, name, given = {}) => {
      if (dns1123Label(name).length > 0)
        throw serverErrors.error('ClusterNameInvalid', `a logical cluster cannot be called ${JSON.stringify(name)}`);
      if (clusters.has(name))
        throw serverErrors.error('ClusterNameTaken', `there is a logical cluster ${name} already`);
      const cluster = await createLogicalCluster(ctx, { ...given, name, store: options.store, random, builtin });
      clusters.set(name, cluster);
      return cluster;
    },
    close: async () => {
      for (const cluster of clusters.values()) await cluster.close();
    },
  };
}
