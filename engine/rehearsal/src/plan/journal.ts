/** What happened while the plan ran, and what it means: one finding for each budget, workload and pod. */
import { finding, podsText, type Finding, type FindingCode } from '../finding.ts';
import type { BudgetState } from '../model/budget.ts';
import { cordonReason, reasonsText, volumeReason, type Reasons } from '../model/placement.ts';
import type { PodState } from '../model/pod.ts';
import type { Workload } from '../model/workload.ts';
import { seconds } from '../seconds.ts';

interface Outage {
  sinceMs: number | undefined;
  readonly firstMs: number;
  totalMs: number;
  times: number;
  readonly pod: string;
}

interface Pending {
  readonly pods: Set<string>;
  readonly firstMs: number;
  readonly reasons: Reasons;
  waiting: number;
  lastMs: number;
}

interface Wait {
  readonly pods: Map<string, number>;
  readonly firstMs: number;
  lastMs: number;
  readonly needs: string;
}

/** How a wait for a budget ended badly. */
export type GivenUp = 'never' | 'slow' | 'forced';

const codes: Readonly<Record<GivenUp, FindingCode>> = {
  never: 'BudgetBlocks',
  slow: 'BudgetTooSlow',
  forced: 'BudgetOverruled',
};

/** See the file's header. */
export class Journal {
  readonly findings: Finding[] = [];
  /** Pods that had to wait for a node. */
  readonly homeless = new Set<PodState>();
  readonly #outages = new Map<Workload, Outage>();
  readonly #pending = new Map<Workload | string, Pending>();
  readonly #waits = new Map<BudgetState, Wait>();
  readonly #nodeCount: number;

  constructor(nodeCount: number) {
    this.#nodeCount = nodeCount;
  }

  /** The last ready pod of a workload went. */
  down(workload: Workload, pod: PodState, nowMs: number): void {
    const known = this.#outages.get(workload);
    if (known === undefined)
      this.#outages.set(workload, { sinceMs: nowMs, firstMs: nowMs, totalMs: 0, times: 1, pod: pod.key });
    else if (known.sinceMs === undefined) {
      known.sinceMs = nowMs;
      known.times += 1;
    }
  }

  /** It has a ready pod again. */
  up(workload: Workload, nowMs: number): void {
    const outage = this.#outages.get(workload);
    if (outage?.sinceMs === undefined) return;
    outage.totalMs += nowMs - outage.sinceMs;
    outage.sinceMs = undefined;
  }

  /** A pod found no node. */
  unplaced(pod: PodState, reasons: Reasons, nowMs: number): void {
    this.homeless.add(pod);
    const key = pod.workload ?? pod.key;
    const known = this.#pending.get(key);
    const entry = known ?? { pods: new Set<string>(), firstMs: nowMs, reasons, waiting: 0, lastMs: nowMs };
    if (known === undefined) this.#pending.set(key, entry);
    entry.pods.add(pod.predecessor?.key ?? pod.key);
    entry.waiting += 1;
  }

  /** It found one, or was taken away. */
  placed(pod: PodState, nowMs: number): void {
    const entry = this.#pending.get(pod.workload ?? pod.key);
    if (entry === undefined) return;
    entry.waiting -= 1;
    entry.lastMs = nowMs;
  }

  /** A budget said no to a pod, for so long. */
  waited(budget: BudgetState, pod: PodState, fromMs: number, nowMs: number, needs: string): void {
    const known = this.#waits.get(budget);
    const wait = known ?? { pods: new Map<string, number>(), firstMs: fromMs, lastMs: nowMs, needs };
    if (known === undefined) this.#waits.set(budget, wait);
    wait.pods.set(pod.key, (wait.pods.get(pod.key) ?? 0) + nowMs - fromMs);
    wait.lastMs = Math.max(wait.lastMs, nowMs);
  }

  /** A drain gave up waiting for a budget, or overruled it. */
  gaveUp(
    budget: BudgetState,
    pods: readonly PodState[],
    how: GivenUp,
    at: { readonly nowMs: number; readonly step: string; readonly afterMs: number },
  ): void {
    const names = pods.map((pod) => pod.key);
    const told: Readonly<Record<GivenUp, string>> = {
      never: 'allows no eviction, and nothing in the plan changes that: it keeps the drain for ever',
      slow: `lets the pods go too slowly: after ${seconds(at.afterMs)} the drain gives up`,
      forced: `still says no after ${seconds(at.afterMs)}: the pods are deleted against it`,
    };
    const { metadata } = budget.object;
    const object = { kind: 'PodDisruptionBudget', namespace: metadata.namespace ?? '', name: metadata.name ?? '' };
    const reason = `${told[how]}; ${budget.needs}; pods ${podsText(names)}`;
    this.findings.push(
      finding(
        codes[how],
        object,
        { field: budget.field, reason, step: at.step, ...(how === 'never' ? {} : { durationMs: at.afterMs }) },
        names,
      ),
    );
  }

  /** A pod is in more budgets than one. */
  overlap(pod: PodState, step: string): void {
    const [namespace = '', name = ''] = pod.key.split('/');
    const names = pod.rules.budgets.map((budget) => budget.object.metadata.name ?? '').toSorted();
    const reason = `budgets ${names.join(' and ')} both select it; the eviction API refuses pods with more than one`;
    this.findings.push(
      finding('BudgetsOverlap', { kind: 'Pod', namespace, name }, { field: 'metadata.labels', reason, step }, [
        pod.key,
      ]),
    );
  }

  /** Everything, when the plan has ended; `endMs` is the end of the plan. */
  all(endMs: number): readonly Finding[] {
    return merged([
      ...this.findings,
      ...[...this.#outages].map(([workload, outage]) => outageFinding(workload, outage, endMs)),
      ...[...this.#pending].flatMap(([key, pending]) => this.#pendingFinding(key, pending, endMs)),
      ...[...this.#waits].map(([budget, wait]) => waitFinding(budget, wait)),
    ]);
  }

  #pendingFinding(key: Workload | string, pending: Pending, endMs: number): readonly Finding[] {
    const forEver = pending.waiting > 0;
    const lastMs = forEver ? endMs : pending.lastMs;
    if (lastMs <= pending.firstMs && !forEver) return [];
    const object =
      typeof key === 'string'
        ? { kind: 'Pod', namespace: key.split('/')[0] ?? '', name: key.split('/')[1] ?? '' }
        : key.facts.shown;
    const names = [...pending.pods];
    const long = forEver ? 'for ever' : `for ${seconds(lastMs - pending.firstMs)}, until nodes are taken back`;
    const { code, field } = placeCode(pending.reasons);
    return [
      finding(
        code,
        object,
        {
          field,
          reason: `${names.length === 1 ? 'a pod waits' : `${names.length} pods wait`} for a node ${long}: ${reasonsText(pending.reasons, this.#nodeCount)}`,
          severity: forEver ? 'error' : 'warning',
          fromMs: pending.firstMs,
          ...(forEver ? {} : { durationMs: lastMs - pending.firstMs }),
        },
        names,
      ),
    ];
  }
}

function outageFinding(workload: Workload, outage: Outage, endMs: number): Finding {
  const forEver = outage.sinceMs !== undefined;
  const totalMs = outage.totalMs + (outage.sinceMs === undefined ? 0 : endMs - outage.sinceMs);
  const single = (workload.facts.wanted ?? 1) <= 1;
  const often = outage.times === 1 ? '' : `, ${outage.times} times`;
  const long = forEver ? 'and does not come back' : `for about ${seconds(totalMs)}${often}`;
  return finding(
    single ? 'SingleReplica' : 'WorkloadDown',
    workload.facts.shown,
    {
      field: 'spec.replicas',
      reason: single
        ? `its only replica ${outage.pod} goes down ${long}`
        : `none of its ${workload.facts.wanted ?? 0} replicas is ready ${long}`,
      fromMs: outage.firstMs,
      ...(forEver ? {} : { durationMs: totalMs }),
    },
    [outage.pod],
  );
}

function waitFinding(budget: BudgetState, wait: Wait): Finding {
  const { metadata } = budget.object;
  const names = [...wait.pods.keys()];
  const longestMs = Math.max(...wait.pods.values());
  return finding(
    'BudgetWaits',
    { kind: 'PodDisruptionBudget', namespace: metadata.namespace ?? '', name: metadata.name ?? '' },
    {
      field: budget.field,
      reason: `${names.length === 1 ? 'one eviction waits' : `${names.length} evictions wait`}, ${seconds(longestMs)} at most; ${wait.needs}; pods ${podsText(names)}`,
      fromMs: wait.firstMs,
      durationMs: longestMs,
    },
    names,
  );
}

/** The reason that most nodes have, cordons apart: they end by themselves. */
function placeCode(reasons: Reasons): { readonly code: FindingCode; readonly field: string } {
  const real = [...reasons].filter(([reason]) => reason !== cordonReason);
  if (real.some(([reason]) => reason === volumeReason)) return { code: 'VolumePinned', field: 'spec.volumes' };
  const short = real.find(([reason]) => reason.startsWith('Insufficient') || reason === 'Too many pods');
  if (short !== undefined) {
    const name = short[0].replace('Insufficient ', '');
    return {
      code: 'MissingCapacity',
      field: short[0] === 'Too many pods' ? 'status.allocatable.pods' : `spec.containers[*].resources.requests.${name}`,
    };
  }
  const rule = fields.find(([text]) => real.some(([reason]) => reason.includes(text)));
  return rule === undefined
    ? { code: 'MissingCapacity', field: 'spec.nodeName' }
    : { code: 'NoNodeFits', field: rule[1] };
}

const fields: readonly (readonly [string, string])[] = [
  ['topology spread', 'spec.topologySpreadConstraints'],
  ['anti-affinity', 'spec.affinity.podAntiAffinity'],
  ['pod affinity', 'spec.affinity.podAffinity'],
  ['free ports', 'spec.containers[*].ports[*].hostPort'],
  ['node affinity/selector', 'spec.nodeSelector'],
  ['taint', 'spec.tolerations'],
];

/** One finding for each code and object: a budget that blocks on three nodes is one problem. */
function merged(findings: readonly Finding[]): readonly Finding[] {
  const known = new Map<string, Finding>();
  for (const one of findings) {
    const key = JSON.stringify([one.code, one.object]);
    const before = known.get(key);
    if (before === undefined) known.set(key, one);
    else
      known.set(key, {
        ...before,
        pods: [...new Set([...(before.pods ?? []), ...(one.pods ?? [])])].slice(0, 20),
        podCount: (before.podCount ?? 0) + (one.podCount ?? 0),
      });
  }
  // Who is blocked for good also waits: once is enough.
  return [...known.values()].filter(
    (one) =>
      one.code !== 'BudgetWaits' ||
      !['BudgetBlocks', 'BudgetTooSlow', 'BudgetOverruled'].some((code) =>
        known.has(JSON.stringify([code, one.object])),
      ),
  );
}
