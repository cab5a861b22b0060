/** What frees a target by hand, when the run that holds it is gone. */
import { claimAnnotation, type RunTarget } from '@polyanthus/kube-kinds/own/runbook';

/** `kubectl annotate nodes n1 …-`, to type as it stands: names of objects need no quoting. */
export function releaseCommand({ resource, namespace, name }: RunTarget): string {
  const where = namespace === undefined ? '' : ` -n ${namespace}`;
  return `kubectl annotate ${resource} ${name}${where} ${claimAnnotation}-`;
}
