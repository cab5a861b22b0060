/** pods/binding: the scheduler's decision. */
import type { ServerResponse } from '@polyanthus/ground-http/message';
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import { conflict, statusError } from '@polyanthus/kube-objects/status';
import { attributesOf } from '../admission/webhooks/attributes.ts';
import { webhooksOf } from '../admission/webhooks/webhooks.ts';
import { jsonAnswer } from '../answers.ts';
import { listAt, objectAt, textAt, timestamp } from '../api-object.ts';
import { readJsonBody } from '../codec.ts';
import type { Scope } from '../scope.ts';
import { updateObject } from '../writes.ts';

async function admitBinding(scope: Scope, body: JsonObject): Promise<JsonObject> {
  const metadata = { ...objectAt(body, 'metadata'), name: scope.name, namespace: scope.namespace };
  const binding = { kind: 'Binding', apiVersion: 'v1', ...body, metadata };
  const kind = { group: '', version: 'v1', kind: 'Binding' };
  return (
    (await webhooksOf(scope.cluster).admit(attributesOf(scope, 'CREATE', binding, undefined, { kind }))) ?? binding
  );
}

export async function bindPod(scope: Scope): Promise<ServerResponse> {
  const binding = await admitBinding(scope, await readJsonBody(scope));
  const target = objectAt(binding, 'target');
  const node = textAt(target, 'name');
  if (node === '') throw statusError('Invalid', `Binding "${scope.name}" is invalid: target.name: Required value`);
  const annotations = objectAt(objectAt(binding, 'metadata'), 'annotations');
  await updateObject(
    scope,
    (pod) => {
      const spec = objectAt(pod, 'spec');
      const refuse = (why: string): Error => conflict('', 'pods/binding', scope.name, why);
      if (pod.metadata.deletionTimestamp !== undefined)
        throw refuse(`pod ${scope.name} is being deleted, cannot be assigned to a host`);
      const at = textAt(spec, 'nodeName');
      if (at !== '') throw refuse(`pod ${scope.name} is already assigned to node ${JSON.stringify(at)}`);
      const status = objectAt(pod, 'status');
      const others = listAt(status, 'conditions').filter((one) => one['type'] !== 'PodScheduled');
      const scheduled = {
        type: 'PodScheduled',
        status: 'True',
        lastProbeTime: null,
        lastTransitionTime: timestamp(scope.ctx.clock.now()),
      };
      const metadata =
        Object.keys(annotations).length === 0
          ? pod.metadata
          : {
              ...pod.metadata,
              annotations: { ...pod.metadata.annotations, ...(annotations as Record<string, string>) },
            };
      return {
        ...pod,
        metadata,
        spec: { ...spec, nodeName: node },
        status: { ...status, conditions: [...others, scheduled] },
      };
    },
    { retry: true, track: false },
  );
  return jsonAnswer(201, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 });
}
