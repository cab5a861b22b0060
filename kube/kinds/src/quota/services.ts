/** Services in quotas: their number, their node ports, their load balancers. */
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import type { QuotaEvaluator } from './evaluator.ts';
import { units } from './resource-list.ts';

const names = ['count/services', 'services', 'services.nodeports', 'services.loadbalancers'];

interface CountedService extends KubeObject {
  readonly spec?: {
    readonly type?: string;
    readonly ports?: readonly { readonly nodePort?: number }[];
    readonly allocateLoadBalancerNodePorts?: boolean;
  };
}

const specOf = (object: KubeObject): CountedService['spec'] => (object as CountedService).spec;

function nodePorts(spec: CountedService['spec']): number {
  const ports = spec?.ports ?? [];
  if (spec?.type === 'NodePort') return ports.length;
  if (spec?.type !== 'LoadBalancer') return 0;
  // Ports are given later: what is meant counts, unless the Service wants none but those it names.
  return spec.allocateLoadBalancerNodePorts === false
    ? ports.filter(({ nodePort }) => (nodePort ?? 0) !== 0).length
    : ports.length;
}

/** Whether an update changes which of the special Services it is. */
export function serviceUsageChanged(before: KubeObject, after: KubeObject): boolean {
  const kind = (object: KubeObject): string => {
    const type = specOf(object)?.type ?? '';
    return type === 'NodePort' || type === 'LoadBalancer' ? type : '';
  };
  return kind(before) !== kind(after);
}

/** How Services count. */
export const serviceEvaluator: QuotaEvaluator = {
  // An update too: the type of a Service can change.
  handles: ({ subresource }) => subresource === '',
  matching: (wanted) => wanted.filter((name) => names.includes(name)),
  matchesScope: () => false,
  constraint: () => undefined,
  usage: (object) => ({
    'count/services': units(1),
    services: units(1),
    'services.nodeports': units(nodePorts(specOf(object))),
    'services.loadbalancers': units(specOf(object)?.type === 'LoadBalancer' ? 1 : 0),
  }),
};
