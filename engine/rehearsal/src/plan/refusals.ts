/** What kubectl's filters say of the pods of a node, as findings. */
import type { PodVerdict } from '@polyanthus/engine-drain/filters';
import { finding, type Finding, type FindingCode } from '../finding.ts';

const kinds: readonly (readonly [
  beginning: string,
  fatal: FindingCode,
  warning: FindingCode | undefined,
  field: string,
])[] = [
  ['Pods that declare no controller', 'PodUnmanaged', undefined, 'metadata.ownerReferences'],
  ['deleting Pods that declare no controller', 'PodUnmanaged', 'PodLost', 'metadata.ownerReferences'],
  ['Pods with local storage', 'PodLocalData', undefined, 'spec.volumes'],
  ['deleting Pods with local storage', 'PodLocalData', 'LocalDataLost', 'spec.volumes'],
  ['DaemonSet-managed Pods', 'DaemonSetPod', undefined, 'metadata.ownerReferences'],
  ['daemonsets.apps', 'DaemonSetGone', 'PodLost', 'metadata.ownerReferences'],
];

/** Findings of one node; pods that simply stay (DaemonSets, mirror pods) are none. */
export function refusals(verdicts: readonly PodVerdict[], step: string): readonly Finding[] {
  return verdicts.flatMap(({ pod, severity, message }) => {
    if (severity === 'none') return [];
    const [, fatal, warning, field = ''] = kinds.find(([beginning]) => message.startsWith(beginning)) ?? [];
    const code = severity === 'fatal' ? fatal : warning;
    if (code === undefined) return [];
    const { namespace = '', name = '' } = pod.metadata;
    const reason = severity === 'fatal' ? `the drain is refused: ${message}` : message;
    return [finding(code, { kind: 'Pod', namespace, name }, { field, reason, step }, [`${namespace}/${name}`])];
  });
}
