/** What a rehearsal finds, as data. */

/** `error`: the plan will stop there. `warning`: it goes through, and somebody will feel it. `info`: as it should be. */
export type Severity = 'error' | 'warning' | 'info';

/** An object that a finding is about. */
export interface FindingObject {
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
}

interface FindingKind {
  readonly severity: Severity;
  readonly meaning: string;
  /** What to do, as a sentence. */
  readonly next: string;
}

/** Every kind of finding. `severity` is the usual one; a finding may be graver. */
export const findingKinds = {
  BudgetBlocks: {
    severity: 'error',
    meaning: 'A disruption budget allows no eviction, and nothing in the plan changes that.',
    next: 'Let the budget allow one disruption (a larger maxUnavailable, one more replica), or mend the pods that are not ready.',
  },
  BudgetTooSlow: {
    severity: 'error',
    meaning: 'A disruption budget lets the pods go so slowly that the drain gives up first.',
    next: 'Give the drain more time (drainTimeout), or let the budget allow more at once.',
  },
  BudgetOverruled: {
    severity: 'warning',
    meaning: 'forceAfter passes while a disruption budget still protects the pods: they are deleted against it.',
    next: 'Leave forceAfter out, or ask the owner of the budget.',
  },
  BudgetWaits: {
    severity: 'info',
    meaning: 'Evictions wait for a disruption budget, and go on by themselves.',
    next: 'Nothing; the time is part of the prediction.',
  },
  BudgetsOverlap: {
    severity: 'error',
    meaning: 'A pod is in more than one disruption budget; the eviction API refuses it.',
    next: 'Change the selectors so that one budget is left for the pod.',
  },
  PodUnmanaged: {
    severity: 'error',
    meaning: 'No controller brings the pod back, so the drain is refused.',
    next: 'Give the pod a controller, delete it by hand, or allow it with force.',
  },
  PodLost: {
    severity: 'warning',
    meaning: 'The pod is evicted for good: no controller brings it back, and force allows it.',
    next: 'Give the pod a controller if it is needed.',
  },
  PodLocalData: {
    severity: 'error',
    meaning: 'The pod keeps data in an emptyDir, so the drain is refused.',
    next: 'Allow it with deleteEmptyDirData when the data may go.',
  },
  LocalDataLost: {
    severity: 'warning',
    meaning: 'The pod loses what is in its emptyDir volumes, which deleteEmptyDirData allows.',
    next: 'Make sure that nobody needs the data.',
  },
  DaemonSetPod: {
    severity: 'error',
    meaning: 'The pod is of a DaemonSet that would start it again at once, so the drain is refused.',
    next: 'Allow it with ignoreDaemonSets: the pod then stays.',
  },
  DaemonSetGone: {
    severity: 'error',
    meaning: 'The pod says that it is of a DaemonSet, which is no longer there.',
    next: 'Delete the pod, or allow it with force.',
  },
  SingleReplica: {
    severity: 'warning',
    meaning: 'The only ready replica goes down and is started anew elsewhere: nobody serves in between.',
    next: 'Run two replicas with a disruption budget, or choose a time when the pause does not hurt.',
  },
  WorkloadDown: {
    severity: 'warning',
    meaning: 'All ready replicas are down at the same time.',
    next: 'Give the workload a disruption budget, a topology spread, or take fewer nodes at once.',
  },
  MissingCapacity: {
    severity: 'warning',
    meaning: 'Evicted pods find no node with room for their requests.',
    next: 'Add a node, take fewer nodes at once, or lower the requests.',
  },
  NoNodeFits: {
    severity: 'warning',
    meaning: 'Evicted pods find no node that their selectors, affinity, spread constraints and tolerations allow.',
    next: 'Loosen the rule that the message names, or label or add a node.',
  },
  VolumePinned: {
    severity: 'warning',
    meaning: 'A volume of the pod can only be used on nodes that are away: the pod waits until they are back.',
    next: 'Nothing can move it; choose a time when the pause does not hurt.',
  },
  NodeGone: {
    severity: 'error',
    meaning: 'A node that the plan works on is not there, or it is another one by now.',
    next: 'Name the nodes that are there.',
  },
  NodeNotReady: {
    severity: 'error',
    meaning: 'A node is not ready now, so the plan cannot prove that it is ready after the work.',
    next: 'Mend the node, or leave it out.',
  },
  WebhookRefuses: {
    severity: 'error',
    meaning: 'An admission webhook said no to a server-side dry run of what the plan will do.',
    next: 'Ask who owns the webhook, or change what it refuses.',
  },
  AdmissionRefuses: {
    severity: 'error',
    meaning: 'The API server refused a server-side dry run of what the plan will do.',
    next: 'Look at the reason: a quota, pod security, a right that is missing.',
  },
  ApiRemoved: {
    severity: 'error',
    meaning: 'The target version no longer serves an API version that somebody still writes with.',
    next: 'Move the writers that are named to the version that replaces it, before the upgrade.',
  },
  CrdVersionUnserved: {
    severity: 'error',
    meaning:
      'Objects of a custom kind are written or stored in a version that its CustomResourceDefinition does not serve.',
    next: 'Move the writers, rewrite the stored objects, then take the version out of status.storedVersions.',
  },
} as const satisfies Readonly<Record<string, FindingKind>>;

export type FindingCode = keyof typeof findingKinds;

/** One finding. */
export interface Finding {
  readonly severity: Severity;
  readonly code: FindingCode;
  readonly object: FindingObject;
  /** Where in the object it lies: `spec.maxUnavailable`. */
  readonly field: string;
  /** What will happen and why: names, numbers, times. */
  readonly reason: string;
  readonly next: string;
  /** Pods that it concerns, `namespace/name`; at most 20 of `podCount`. */
  readonly pods?: readonly string[];
  readonly podCount?: number;
  /** Since the beginning of the run; absent where it has no time. */
  readonly fromMs?: number;
  /** How long; absent: for ever, or it has no time. */
  readonly durationMs?: number;
  /** `STEP/TARGET` that shows it: for the comparison with the real run. */
  readonly step?: string;
}

/** What could not be found out, which is never the same as sound. */
export interface Unknown {
  readonly subject: string;
  readonly why: string;
  readonly next: string;
}

const podsMax = 20;

/** Makes a finding of its kind; the severity is the kind's where it is not given. */
export function finding(
  code: FindingCode,
  object: FindingObject,
  more: Pick<Finding, 'field' | 'reason'> & Partial<Pick<Finding, 'severity' | 'fromMs' | 'durationMs' | 'step'>>,
  pods: readonly string[] = [],
): Finding {
  const { severity, next } = findingKinds[code];
  return {
    severity,
    code,
    object,
    ...more,
    next,
    ...(pods.length === 0 ? {} : { pods: pods.slice(0, podsMax), podCount: pods.length }),
  };
}

/** `Deployment shop/web`. */
export function objectText({ kind, namespace, name }: FindingObject): string {
  return `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`;
}

/** `shop/web-1, shop/web-2 and 7 more`. */
export function podsText(pods: readonly string[], shown = 3): string {
  const rest = pods.length - shown;
  return `${pods.slice(0, shown).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}
