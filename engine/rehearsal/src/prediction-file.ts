/** Predictions as files, found again by what was rehearsed: so that the report of the real run can say where it differed. */
import { createHash } from 'node:crypto';
import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeDurably } from '@polyanthus/ground-files/durable';
import type { Run } from '@polyanthus/kube-kinds/own/runbook';
import type { Prediction } from './prediction.ts';

/** Bytes of a prediction at most: 10,000 targets with all their steps. */
const bytesMax = 64 * 1024 ** 2;

type Rehearsed = Pick<Run['spec'], 'runbook' | 'digest' | 'targets'> & { readonly parameters?: object };

/** The same for a prediction and for the run of the same runbook, edition, parameters and targets. */
function fileOf(folder: string, { runbook, digest, parameters = {}, targets }: Rehearsed): string {
  const given = Object.entries(parameters).toSorted(([one], [other]) => (one < other ? -1 : 1));
  const what = JSON.stringify([
    runbook,
    digest,
    given,
    targets.map((target) => [target.kind, target.name, target.uid]),
  ]);
  return join(folder, `rehearsal-${createHash('sha256').update(what).digest('hex').slice(0, 16)}.json`);
}

/** Keeps the newest prediction of each plan; answers the file. */
export async function keepPrediction(folder: string, prediction: Prediction): Promise<string> {
  await mkdir(folder, { recursive: true });
  const file = fileOf(folder, prediction);
  await writeDurably(file, `${JSON.stringify(prediction)}\n`);
  return file;
}

/** The prediction of a run, when it was rehearsed in this folder before it began; else undefined. */
export async function predictionOf(folder: string, run: Run): Promise<Prediction | undefined> {
  const file = fileOf(folder, run.spec);
  try {
    if ((await stat(file)).size > bytesMax) return undefined;
    const prediction = JSON.parse(await readFile(file, 'utf8')) as Prediction;
    if (prediction.formatVersion !== 1) return undefined;
    const startedAt = run.status?.startedAt;
    return startedAt !== undefined && Date.parse(prediction.madeAt) > Date.parse(startedAt) ? undefined : prediction;
  } catch (error) {
    if ((error as { readonly code?: unknown }).code === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
