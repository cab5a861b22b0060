/** A prediction for people. */
import { objectText, type Finding } from './finding.ts';
import type { PredictedStep, Prediction } from './prediction.ts';
import { seconds } from './seconds.ts';

const verdicts: Readonly<Record<Prediction['verdict'], string>> = {
  sound: 'sound: nothing speaks against the plan',
  unknown: 'not known to be sound: see what is unknown',
  problems: 'problems: see below',
};
/** Steps that are printed; all of them are in -o json. */
const stepsShown = 60;

/** Lines: verdict, findings with their next step, unknowns, times, what was taken for granted. */
export function predictionText(prediction: Prediction): string {
  const { snapshot, findings, unknowns, steps } = prediction;
  const more = steps.length - stepsShown;
  return [
    `Rehearsal of ${prediction.runbook} on ${snapshot.source} (${snapshot.gitVersion}) as it was at ${snapshot.takenAt}`,
    `Verdict: ${verdicts[prediction.verdict]}`,
    `Predicted: ${prediction.targets.length} targets, ${prediction.evictions} evictions, ${seconds(prediction.endMs)}${uncountedText(prediction.uncounted)}`,
    ...section('Findings', findings.flatMap(findingLines)),
    ...section(
      'Unknown',
      unknowns.flatMap(({ subject, why, next }) => [`  ${subject}: ${why}`, `    next: ${next}`]),
    ),
    ...section('Steps', steps.slice(0, stepsShown).map(stepLine)),
    ...(more > 0 ? [`  … and ${more} more: -o json has all of them`] : []),
    ...section(
      'Taken for granted',
      prediction.assumptions.map((one) => `  ${one}`),
    ),
    '',
  ].join('\n');
}

/** After a time: what it leaves out; nothing where it leaves out nothing. */
export function uncountedText(uncounted: readonly string[]): string {
  return uncounted.length === 0
    ? ''
    : `, and what is unknown and not counted: people's time for ${uncounted.join(', ')}`;
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : ['', title, ...lines];
}

function findingLines({ severity, code, object, field, reason, next }: Finding): readonly string[] {
  return [`  ${severity} ${code} ${objectText(object)} ${field}`, `    ${reason}`, `    next: ${next}`];
}

function stepLine({ step, target, startMs, endMs, outcome, evictions, basis }: PredictedStep): string {
  const place = target === undefined ? step : `${step}/${target}`;
  const evicts = evictions === undefined ? '' : `, ${evictions} evictions`;
  if (basis.source === 'unknown') return `  ${seconds(startMs)}: ${place} (waits for people; unknown, not counted)`;
  const from = basis.samples === 0 ? basis.source : `${basis.source}, ${basis.samples} earlier`;
  return `  ${seconds(startMs)} to ${seconds(endMs)}: ${place} ${outcome === 'fails' ? 'FAILS' : 'done'}${evicts} (${from}, ${basis.confidence} confidence)`;
}
