/** A client that reads a snapshot, so that a runbook finds its targets there. Nothing else works on it. */
import { inProcessTransport } from '@polyanthus/ground-http/in-process';
import type { Snapshot } from '@polyanthus/engine-sandbox/snapshot';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { createClient } from '@polyanthus/kube-client/rest';
import { labelSelectorMatcher, parseLabelSelector } from '@polyanthus/kube-objects/selectors';
import { apiVersionOf, type ResourceType } from '@polyanthus/kube-objects/resource';
import { notFound, statusError } from '@polyanthus/kube-objects/status';
import type { KubeObject } from '@polyanthus/kube-objects/meta';

/** Answers get and list with label selectors. Errors: NotFound; MethodNotAllowed for everything else. */
export function snapshotClient(snapshot: Snapshot): KubeClient {
  const objects = (type: ResourceType): readonly KubeObject[] =>
    snapshot.resources.find((one) => one.group === type.group && one.plural === type.resource)?.objects ?? [];
  const list: KubeClient['list'] = (_ctx, type, options = {}) => {
    const matcher =
      options.labelSelector === undefined ? labelSelectorMatcher({}) : parseLabelSelector(options.labelSelector);
    const items = objects(type).filter(
      ({ metadata }) =>
        (options.namespace === undefined || metadata.namespace === options.namespace) &&
        matcher.matches(metadata.labels),
    );
    return Promise.resolve({
      apiVersion: apiVersionOf(type),
      kind: `${type.kind}List`,
      metadata: {},
      items: items as never[],
    });
  };
  const refuse = inProcessTransport(() =>
    Promise.reject(statusError('MethodNotAllowed', 'a snapshot can only be read by get and list')),
  );
  return {
    ...createClient(refuse),
    list,
    listAll: list,
    get: (_ctx, type, { namespace, name }) => {
      const found = objects(type).find(
        ({ metadata }) => metadata.name === name && (namespace === undefined || metadata.namespace === namespace),
      );
      return found === undefined
        ? Promise.reject(notFound(type.group, type.resource, name))
        : Promise.resolve(found as never);
    },
  };
}
