/** What a run did, with evidence and times: one shape, as JSON and as Markdown. */
import type { Context } from '@polyanthus/ground-base/context';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { runLabel, runs, runSteps, type Run, type RunStep } from '@polyanthus/kube-kinds/own/runbook';
import { parseKubeTime } from '@polyanthus/kube-runtime/times';
import { duration, targetName } from './explain.ts';

/** One step in the report. */
export interface ReportedStep {
  readonly order: number;
  readonly step: string;
  readonly title: string;
  readonly target?: string;
  readonly state: string;
  readonly attempts: number;
  readonly failures: number;
  readonly epoch: number;
  readonly intentAt?: string;
  readonly provenAt?: string;
  /** From the intent to the proof. */
  readonly durationMs?: number;
  readonly evidence?: string;
  readonly message?: string;
  readonly undone?: { readonly attempts: number; readonly at?: string; readonly evidence?: string };
}

/** The whole report. */
export interface RunReport {
  readonly run: string;
  readonly runbook: string;
  readonly digest: string;
  readonly engineVersion: string;
  readonly membership?: string;
  readonly phase: string;
  readonly message: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly targets: readonly string[];
  readonly startedAt?: string;
  readonly endedAt?: string;
  /** Executors that took part: every takeover raises it. */
  readonly epochs: number;
  /** What the user approved: `STEP` or `STEP/TARGET`. */
  readonly approvals: readonly string[];
  /** Writes decided before a takeover and answered after it: evictions, mostly. */
  readonly late: NonNullable<NonNullable<Run['status']>['late']>;
  readonly steps: readonly ReportedStep[];
}

/** A run and its steps, in order. */
export async function readRun(
  ctx: Context,
  runsClient: KubeClient,
  key: { readonly namespace: string; readonly name: string },
): Promise<{ readonly run: Run; readonly steps: readonly RunStep[] }> {
  const run = await runsClient.get(ctx, runs, key);
  const list = await runsClient.listAll(ctx, runSteps, {
    namespace: key.namespace,
    labelSelector: `${runLabel}=${key.name}`,
  });
  return { run, steps: list.items.toSorted((one, other) => one.spec.order - other.spec.order) };
}

/** The report of a run as it stands. */
export function reportOf(run: Run, steps: readonly RunStep[]): RunReport {
  const { spec, status = {} } = run;
  return {
    run: run.metadata.name ?? '',
    runbook: spec.runbook,
    digest: spec.digest,
    engineVersion: spec.engineVersion,
    ...defined('membership', spec.membership),
    phase: status.phase ?? 'Pending',
    message: status.message ?? '',
    parameters: spec.parameters ?? {},
    targets: spec.targets.map(targetName),
    ...defined('startedAt', status.startedAt),
    ...defined('endedAt', status.endedAt),
    epochs: status.epoch ?? 0,
    approvals: spec.approvals ?? [],
    late: status.late ?? { count: 0, writes: [] },
    steps: steps.map(reportedStep),
  };
}

function reportedStep({ spec, status = {} }: RunStep): ReportedStep {
  const began = parseKubeTime(status.intentAt);
  const ended = parseKubeTime(status.provenAt);
  const { undo } = status;
  return {
    order: spec.order,
    step: spec.step,
    title: spec.title,
    ...defined('target', spec.target === undefined ? undefined : targetName(spec.target)),
    state: status.state ?? 'Pending',
    attempts: status.attempt ?? 0,
    failures: status.failures ?? 0,
    epoch: status.epoch ?? 0,
    ...defined('intentAt', status.intentAt),
    ...defined('provenAt', status.provenAt),
    ...defined('durationMs', began === undefined || ended === undefined ? undefined : ended - began),
    ...defined('evidence', status.evidence),
    ...defined('message', status.message),
    ...(undo === undefined
      ? {}
      : { undone: { attempts: undo.attempt, ...defined('at', undo.provenAt), ...defined('evidence', undo.evidence) } }),
  };
}

function defined<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return (value === undefined ? {} : { [key]: value }) as { readonly [P in K]?: V };
}

/** The report for people. */
export function reportMarkdown(report: RunReport): string {
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['Runbook', `${report.runbook}, digest \`${report.digest}\`, engine ${report.engineVersion}`],
    ['Cluster', report.membership === undefined ? 'the one that holds the run' : `membership ${report.membership}`],
    ['Phase', report.message === '' ? report.phase : `${report.phase}: ${report.message}`],
    ['Started', report.startedAt],
    ['Ended', report.endedAt],
    ['Takeovers', takeovers(report)],
    ['Approved', report.approvals.length === 0 ? undefined : report.approvals.join(', ')],
    ['Late writes', lateText(report)],
    ['Targets', report.targets.join(', ')],
    ['Parameters', `\`${JSON.stringify(report.parameters)}\``],
  ];
  return [
    `# Run ${report.run}`,
    ...facts.filter(([, value]) => value !== undefined).map(([name, value]) => `- ${name}: ${value ?? ''}`),
    '',
    '| # | step | target | state | attempts | begun | proven | took | evidence |',
    '|---|---|---|---|---|---|---|---|---|',
    ...report.steps.map(row),
    '',
  ].join('\n');
}

/** Every executor that begins, also after a pause of the API, raises the epoch. */
function takeovers({ epochs }: RunReport): string {
  return epochs <= 1 ? 'none: one executor' : `${epochs - 1}: the last executor has epoch ${epochs}`;
}

function lateText({ late, epochs }: RunReport): string | undefined {
  if (late.count === 0) return epochs <= 1 ? undefined : 'none known';
  const last = late.writes.map((one) => `${one.what} (${one.step}, epoch ${one.epoch}, ${one.at})`);
  return `${late.count}, decided before a takeover and answered after it: ${last.join('; ')}`;
}

function row(step: ReportedStep): string {
  const cells = [
    String(step.order),
    step.title,
    step.target ?? '',
    step.state,
    String(step.attempts),
    step.intentAt ?? '',
    step.undone?.at ?? step.provenAt ?? '',
    step.durationMs === undefined ? '' : duration(step.durationMs),
    step.undone?.evidence ?? step.message ?? step.evidence ?? '',
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
}
