/** A request to a path that is no resource. */
import type { Context } from '@polyanthus/ground-base/context';
import type { ServerRequest } from '@polyanthus/ground-http/message';
import type { UserInfo } from '@polyanthus/kube-access/user';
import type { Cluster } from './cluster.ts';

/** Who asks for what. */
export interface DocumentRequest {
  readonly ctx: Context;
  readonly cluster: Cluster;
  readonly request: ServerRequest;
  readonly query: URLSearchParams;
  readonly user: UserInfo;
  readonly path: string;
}
