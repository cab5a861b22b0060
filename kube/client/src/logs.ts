/** Container logs: bytes as the kubelet sends them. */
import type { Context } from '@polyanthus/ground-base/context';
import { productVersion } from '@polyanthus/ground-base/version';
import { pods } from '@polyanthus/kube-kinds/core';
import { resourcePath } from '@polyanthus/kube-objects/resource';
import { readFailure } from './answer.ts';
import type { KubeClient, ObjectKey } from './client.ts';
import { query } from './query.ts';

/** core/v1 PodLogOptions. */
export interface LogOptions {
  /** May be absent in a pod of one container. */
  readonly container?: string | undefined;
  readonly follow?: boolean | undefined;
  /** The container's run before this one. */
  readonly previous?: boolean | undefined;
  readonly timestamps?: boolean | undefined;
  readonly tailLines?: number | undefined;
  readonly sinceSeconds?: number | undefined;
  /** RFC 3339. */
  readonly sinceTime?: string | undefined;
  readonly limitBytes?: number | undefined;
}

/** The log in pieces as they come. Throws StatusError; ConnectionBroken when the stream is cut. */
export async function* logs(
  ctx: Context,
  client: KubeClient,
  pod: ObjectKey,
  options: LogOptions = {},
): AsyncGenerator<Uint8Array> {
  const path = resourcePath(pods, { ...pod, subresource: 'log' }) + query({ ...options });
  const headers = { accept: '*/*', 'user-agent': `polyanthus/${productVersion}` };
  const response = await client.transport.request(ctx, { method: 'GET', url: path, headers, body: null });
  if (response.status !== 200) throw await readFailure({ method: 'GET', path }, response);
  if (response.body === null) return;
  if (response.body instanceof Uint8Array) yield response.body;
  else yield* response.body;
}
