/** How the server reaches kubelets. */
import type { Context } from '@polyanthus/ground-base/context';
import type { Transport } from '@polyanthus/ground-http/message';
import type { ApiObject } from './api-object.ts';

/** A way to the HTTPS API of a node's kubelet. `node` is the Node object. The caller closes nothing: dialers may share. */
export type KubeletDialer = (ctx: Context, node: ApiObject) => Promise<Transport>;
