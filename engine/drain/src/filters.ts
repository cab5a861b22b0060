/**
 * Which pods of a node are evicted, which stay, and which forbid the drain: the rules and the words of `kubectl drain`
 * (kubectl pkg/drain/filters.go). Pure: whether a DaemonSet still exists is asked of the caller.
 */
import type { Pod } from '@polyanthus/kube-kinds/core';

/** What the user allows; the names are kubectl's flags. */
export interface DrainRules {
  /** Evict pods without a controller, and those whose DaemonSet is gone. */
  readonly force: boolean;
  readonly ignoreDaemonSets: boolean;
  readonly deleteEmptyDirData: boolean;
  /** Pods that have been terminating for longer than this are not waited for; 0 switches it off. */
  readonly skipWaitForDeleteTimeoutSeconds: number;
}

/** What a pod means for the drain. */
export interface PodVerdict {
  readonly pod: Pod;
  readonly evict: boolean;
  /** `fatal` forbids the drain. */
  readonly severity: 'none' | 'warning' | 'fatal';
  readonly message: string;
}

const mirrorAnnotation = 'kubernetes.io/config.mirror';

type Verdict = Omit<PodVerdict, 'pod'>;
const evict: Verdict = { evict: true, severity: 'none', message: '' };
const stay: Verdict = { evict: false, severity: 'none', message: '' };
const fatal = (message: string): Verdict => ({ evict: false, severity: 'fatal', message });
const warning = (evictIt: boolean, message: string): Verdict => ({ evict: evictIt, severity: 'warning', message });

const isFinished = (pod: Pod): boolean => pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
const controllerOf = (pod: Pod) => pod.metadata.ownerReferences?.find((owner) => owner.controller === true);

/** The rules in order; the first that does not evict decides, of warnings the last stays. */
const rules: readonly ((pod: Pod, given: JudgeOptions) => Verdict)[] = [
  (pod, { allowed, nowMs }) => {
    const since = pod.metadata.deletionTimestamp;
    const limitSeconds = allowed.skipWaitForDeleteTimeoutSeconds;
    const gone =
      since !== undefined && limitSeconds > 0 && Math.trunc((nowMs - Date.parse(since)) / 1000) > limitSeconds;
    return gone ? stay : evict;
  },
  (pod, { allowed, daemonSetExists }) => {
    const owner = controllerOf(pod);
    if (owner?.kind !== 'DaemonSet' || owner.apiVersion !== 'apps/v1' || isFinished(pod)) return evict;
    if (!daemonSetExists(pod.metadata.namespace ?? '', owner.name)) {
      const missing = `daemonsets.apps "${owner.name}" not found`;
      return allowed.force ? warning(true, missing) : fatal(missing);
    }
    return allowed.ignoreDaemonSets
      ? warning(false, 'ignoring DaemonSet-managed Pods')
      : fatal('DaemonSet-managed Pods (use --ignore-daemonsets to ignore)');
  },
  (pod) => (pod.metadata.annotations?.[mirrorAnnotation] === undefined ? evict : stay),
  (pod, { allowed }) => {
    const volumes = (pod.spec['volumes'] ?? []) as readonly { readonly emptyDir?: unknown }[];
    if (isFinished(pod) || !volumes.some((volume) => volume.emptyDir !== undefined && volume.emptyDir !== null))
      return evict;
    return allowed.deleteEmptyDirData
      ? warning(true, 'deleting Pods with local storage')
      : fatal('Pods with local storage (use --delete-emptydir-data to override)');
  },
  (pod, { allowed }) => {
    if (isFinished(pod) || controllerOf(pod) !== undefined) return evict;
    return allowed.force
      ? warning(true, 'deleting Pods that declare no controller')
      : fatal('Pods that declare no controller (use --force to override)');
  },
];

/** What judging needs besides the pods. */
export interface JudgeOptions {
  readonly allowed: DrainRules;
  readonly daemonSetExists: (namespace: string, name: string) => boolean;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
}

/** A verdict for every pod, in the order given. */
export function judgePods(pods: readonly Pod[], options: JudgeOptions): readonly PodVerdict[] {
  return pods.map((pod) => ({ pod, ...judge(pod, options) }));
}

function judge(pod: Pod, options: JudgeOptions): Verdict {
  let last = evict;
  for (const rule of rules) {
    const next = rule(pod, options);
    if (!next.evict) return next;
    // kubectl forgets a warning when a later rule has none; the user should hear it.
    if (next.severity === 'warning') last = next;
  }
  return last;
}

/** `cannot delete REASON: ns/name, …; …`, as kubectl says it; empty when nothing forbids the drain. */
export function refusalText(verdicts: readonly PodVerdict[]): string {
  return group(verdicts, 'fatal')
    .map(([message, names]) => `cannot delete ${message}: ${names}`)
    .join('; ');
}

/** `REASON: ns/name, …; …`; empty without warnings. */
export function warningText(verdicts: readonly PodVerdict[]): string {
  return group(verdicts, 'warning')
    .map(([message, names]) => `${message}: ${names}`)
    .join('; ');
}

function group(
  verdicts: readonly PodVerdict[],
  severity: PodVerdict['severity'],
): readonly (readonly [string, string])[] {
  const byMessage = new Map<string, string[]>();
  for (const { pod, message } of verdicts.filter((one) => one.severity === severity)) {
    byMessage.set(message, [
      ...(byMessage.get(message) ?? []),
      `${pod.metadata.namespace ?? ''}/${pod.metadata.name ?? ''}`,
    ]);
  }
  return [...byMessage].map(([message, names]) => [message, names.join(', ')] as const);
}
