/** The whole plan in words, before anything runs: what each step touches, what proves it, and how it is undone. */
import type { RunTarget } from '@polyanthus/kube-kinds/own/runbook';
import { digestOf } from './digest.ts';
import type { ParameterSpec, ParameterValues } from './parameters.ts';
import { planOf, type PlannedStage } from './plan.ts';
import { hasUndo, numberOf, type ActionStep, type Runbook, type StepDefinition } from './runbook.ts';

/** A plan for values and targets; without them, the runbook as such. */
export function explain(
  runbook: Runbook,
  given?: { readonly parameters: ParameterValues; readonly targets: readonly RunTarget[] },
): string {
  const head = [
    `${runbook.id} ${runbook.version}: ${runbook.title}`,
    `digest ${digestOf(runbook)}`,
    '',
    'Parameters',
    ...runbook.parameters.map((one) => parameterLine(one, given?.parameters)),
  ];
  if (given === undefined)
    return lines([
      ...head,
      ...runbook.stages.flatMap((stage) => [
        '',
        `${stage.title}${stage.lanes === 'each-target' ? ' (for each target)' : ''}`,
        ...stage.steps.flatMap((step, index) => stepLines(step, index + 1, undefined)),
      ]),
    ]);
  const plan = planOf(runbook, given.parameters, given.targets);
  return lines([
    ...head,
    '',
    `Targets (${given.targets.length})`,
    ...given.targets.map((target) => `  ${targetName(target)}`),
    ...plan.flatMap((stage) => stageLines(stage, given.parameters)),
  ]);
}

const lines = (all: readonly string[]): string => `${all.join('\n')}\n`;

/** `Node n1`, `ConfigMap ns/a`. */
export function targetName(target: RunTarget): string {
  return `${target.kind} ${target.namespace === undefined ? '' : `${target.namespace}/`}${target.name}`;
}

function parameterLine(spec: ParameterSpec, values: ParameterValues | undefined): string {
  const value = values === undefined ? spec.default : values[spec.name];
  const shown = value === undefined ? (spec.required === true ? 'required' : 'not set') : showValue(spec, value);
  return `  ${spec.name}: ${shown} (${spec.help})`;
}

function showValue(spec: ParameterSpec, value: NonNullable<ParameterSpec['default']>): string {
  if (spec.type === 'duration') return duration(Number(value));
  return Array.isArray(value) ? value.join(',') : String(value);
}

function stageLines({ stage, window, lanes }: PlannedStage, parameters: ParameterValues): readonly string[] {
  const each = stage.lanes === 'each-target' ? ` (for each of ${lanes.length} targets, ${window} at once)` : '';
  const steps = lanes[0]?.map((one) => one.definition) ?? [];
  return ['', `${stage.title}${each}`, ...steps.flatMap((step, index) => stepLines(step, index + 1, parameters))];
}

function stepLines(step: StepDefinition, place: number, parameters: ParameterValues | undefined): readonly string[] {
  const title = `  ${place}. ${step.title} [${step.id}]`;
  switch (step.kind) {
    case 'approval':
      return [title, `     waits for: polyanthus runbook approve RUN --step ${step.id}`];
    case 'wait':
      return [title, `     lets ${deadline(step.duration, parameters)} pass`];
    case 'check':
      return [
        title,
        '     touches: nothing',
        `     goes on when: ${step.proof.sentence} (within ${deadline(step.deadline, parameters)})`,
      ];
    case 'action':
      return [title, ...actionLines(step, parameters)];
    default:
      return step satisfies never;
  }
}

function actionLines(step: ActionStep, parameters: ParameterValues | undefined): readonly string[] {
  const holds = step.proof.kind === 'happened' ? '' : `; must hold until ${step.proof.until ?? 'the end of the run'}`;
  const tries = step.repeat === 'never' ? 'never repeated blindly' : `${step.attempts} attempts at most`;
  return [
    `     touches: ${step.touches}`,
    `     proof: ${step.proof.sentence} (within ${deadline(step.deadline, parameters)}, ${tries}${holds})`,
    ...questionLines(step, parameters),
    `     undo: ${undoText(step)}`,
  ];
}

function questionLines({ question }: ActionStep, parameters: ParameterValues | undefined): readonly string[] {
  if (question === undefined || (parameters !== undefined && parameters[question.parameter] === undefined)) return [];
  const after = parameters === undefined ? `where ${question.parameter} is set` : 'when it is blocked';
  return [`     may ask: ${question.title} (${after}): polyanthus runbook approve RUN --step ${question.id}`];
}

function undoText(step: ActionStep): string {
  if (step.undo === 'point-of-no-return')
    return 'none: POINT OF NO RETURN; when it is begun, the run cannot be taken back to before it';
  return hasUndo(step) ? step.undo.title : (step.undo as { readonly nothing: string }).nothing;
}

function deadline(value: number | { readonly parameter: string }, parameters: ParameterValues | undefined): string {
  if (typeof value !== 'number' && parameters === undefined) return value.parameter;
  return duration(numberOf(value, parameters ?? {}));
}

/** `90 s`, `5 min`, `2 h`. */
export function duration(ms: number): string {
  if (ms % 3_600_000 === 0 && ms > 0) return `${ms / 3_600_000} h`;
  if (ms % 60_000 === 0 && ms > 0) return `${ms / 60_000} min`;
  return `${(ms / 1000).toFixed(ms % 1000 === 0 ? 0 : 1)} s`;
}
