/** Predictions as files, found again by what was rehearsed: so that the report of the real run can say where it differed. */
import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeDurably } from '@polyanthus/ground-files/durable';
import type { Run } from '@polyanthus/kube-kinds/own/runbook';
import { rehearsalErrors } from './errors.ts';
import type { Prediction } from './prediction.ts';
import { planDigestOf } from './run-summary.ts';

/** Bytes of a prediction at most: 10,000 targets with all their steps. */
const bytesMax = 64 * 1024 ** 2;

const fileOf = (folder: string, spec: Pick<Prediction, 'runbook' | 'digest' | 'parameters' | 'targets'>): string =>
  join(folder, `rehearsal-${planDigestOf(spec).slice(0, 16)}.json`);

/** Keeps the newest prediction of each plan; answers the file. */
export async function keepPrediction(folder: string, prediction: Prediction): Promise<string> {
  await mkdir(folder, { recursive: true });
  const file = fileOf(folder, prediction);
  await writeDurably(file, `${JSON.stringify(prediction)}\n`);
  return file;
}

/** Errors: RehearsalUnreadable. */
export async function readPrediction(file: string): Promise<Prediction> {
  try {
    const prediction = await predictionAt(file);
    if (prediction !== undefined) return prediction;
  } catch (cause) {
    throw rehearsalErrors.error('RehearsalUnreadable', `${file}: ${(cause as Error).message}`, { cause });
  }
  throw rehearsalErrors.error('RehearsalUnreadable', `${file} is not there, or no rehearsal`);
}

/** Undefined when it is not there, or of another shape. */
async function predictionAt(file: string): Promise<Prediction | undefined> {
  try {
    if ((await stat(file)).size > bytesMax) return undefined;
    const prediction = JSON.parse(await readFile(file, 'utf8')) as Partial<Prediction> | null;
    const whole =
      prediction?.formatVersion === 1 && Array.isArray(prediction.steps) && Array.isArray(prediction.targets);
    // One that was kept before there was such a list left nothing out of its times.
    return whole ? ({ uncounted: [], ...prediction } as unknown as Prediction) : undefined;
  } catch (error) {
    if ((error as { readonly code?: unknown }).code === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The prediction of a plan, when it was rehearsed in this folder; else undefined. */
export function predictionOf(folder: string, spec: Run['spec']): Promise<Prediction | undefined> {
  return predictionAt(fileOf(folder, { ...spec, parameters: (spec.parameters ?? {}) as Prediction['parameters'] }));
}

/** The newest prediction of the folder, with its file; undefined without one. */
export async function newestPrediction(
  folder: string,
): Promise<{ readonly file: string; readonly prediction: Prediction } | undefined> {
  const names = await readdir(folder).catch(() => []);
  const files = names.filter((name) => /^rehearsal-[0-9a-f]{16}\.json$/.test(name)).map((name) => join(folder, name));
  const ages = await Promise.all(files.map(async (file) => ({ file, atMs: (await stat(file)).mtimeMs })));
  const file = ages.toSorted((one, other) => other.atMs - one.atMs)[0]?.file;
  const prediction = file === undefined ? undefined : await predictionAt(file);
  return file === undefined || prediction === undefined ? undefined : { file, prediction };
}
