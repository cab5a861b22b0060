/**
 * A soak as a program: many cases, shared out to processes, each result on the disk as soon as it is there. Ended anywhere (Ctrl-C,
 * SIGKILL, power) it goes on where it was when it is started again. Its processes are this program again, with `--worker`.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { openSoakResults, type SoakResults } from './soak-results.ts';

/** What is done. Results and the reference travel as JSON. */
export interface Soak<R, C> {
  /** Begins the name of its file of results. */
  readonly name: string;
  /** Folder of the repository: results belong to the sources there (and to the arguments). */
  readonly root: string;
  /** Whose results are kept: below the working directory if absent. */
  readonly folder?: string;
  /** What the cases are held against; done first, and once. */
  reference(): Promise<R>;
  /** Ids of all cases, in order. */
  cases(reference: R): readonly string[];
  carryOut(reference: R, id: string): Promise<C>;
  /** The result of a case that threw this. */
  failed(error: string): C;
}

/** How far it is. */
export interface SoakState<R, C> {
  readonly reference: R;
  /** By id, in the order of the cases. */
  readonly results: ReadonlyMap<string, C>;
  /** Cases in all: more than results when it was ended before its end. */
  readonly total: number;
  /** Of sources and arguments. */
  readonly sources: string;
}

/** How it was asked for. */
export interface SoakArguments {
  readonly numbers: readonly number[];
  readonly workers: number;
  /** Do nothing, take what is there. */
  readonly table: boolean;
  readonly worker: boolean;
}

const workersMax = 64;

/** Reads `[NUMBER…] [--workers N] [--table]`. */
export function soakArguments(args: readonly string[]): SoakArguments {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      workers: { type: 'string', default: '1' },
      table: { type: 'boolean', default: false },
      worker: { type: 'boolean', default: false },
    },
  });
  const { table, worker } = values;
  const numbers = positionals.map(Number);
  const workers = Number(values.workers);
  if (![workers, ...numbers].every((one) => Number.isSafeInteger(one) && one >= 0) || workers < 1)
    throw new Error(`usage: [NUMBER…] [--workers N] [--table], not ${args.join(' ')}`);
  return { numbers, workers: Math.min(workers, workersMax), table, worker };
}

/** Carries out what is left; `say` is told how far it is. Undefined in a process that only served another one. */
export async function runSoak<R, C>(
  soak: Soak<R, C>,
  asked: SoakArguments,
  say: (line: string) => void,
): Promise<SoakState<R, C> | undefined> {
  if (asked.worker) return serve(soak);
  const sources = hashOfSources(soak.root, asked.numbers);
  const file = join(soak.folder ?? 'soak-results', `${soak.name}-${sources}.jsonl`);
  const results = openSoakResults(file);
  if (!results.known.has(referenceId)) results.add(referenceId, await soak.reference());
  const reference = results.known.get(referenceId) as R;
  const ids = soak.cases(reference);
  const left = ids.filter((id) => !results.known.has(id));
  say(`${ids.length - left.length} of ${ids.length} cases are in ${file}`);
  if (!asked.table && left.length > 0)
    await shareOut({ results, reference, left, total: ids.length, say }, asked.workers);
  const done = ids.filter((id) => results.known.has(id));
  return {
    reference,
    results: new Map(done.map((id) => [id, results.known.get(id) as C])),
    total: ids.length,
    sources,
  };
}

const referenceId = 'reference';

/** Sources of the product and of soaks, what they read, and the arguments: 16 digits. */
function hashOfSources(root: string, numbers: readonly number[]): string {
  const rooms = '{ground,kube,engine,domains}/*';
  const paths = globSync([`${rooms}/{src,soak}/**/*.ts`, 'kube/kinds/kubernetes/**/*.json', 'package-lock.json'], {
    cwd: root,
  });
  const hash = createHash('sha256').update(JSON.stringify(numbers));
  for (const path of paths.filter((one) => !one.endsWith('.test.ts')).sort())
    hash
      .update(`${path}\0`)
      .update(readFileSync(join(root, path)))
      .update('\0');
  return hash.digest('hex').slice(0, 16);
}

interface Question {
  readonly reference: unknown;
  readonly id: string;
}

/** A process that carries out what it is asked, until nobody asks any more. */
async function serve<R, C>(soak: Soak<R, C>): Promise<undefined> {
  const answer = async ({ reference, id }: Question): Promise<void> => {
    const result = await soak.carryOut(reference as R, id).catch((error: unknown) => soak.failed(String(error)));
    process.send?.({ result });
  };
  // Ctrl-C reaches all processes of a terminal: the one that asks decides.
  process.on('SIGINT', () => undefined);
  process.on('message', (question: Question) => void answer(question));
  await new Promise((resolve) => process.once('disconnect', resolve));
  process.exit();
}

interface Share {
  readonly results: SoakResults;
  readonly reference: unknown;
  readonly left: readonly string[];
  readonly total: number;
  readonly say: (line: string) => void;
}

/** To the end of what is left, or until Ctrl-C or the end of a process: then no other goes on either. */
async function shareOut(share: Share, workers: number): Promise<void> {
  const stop = new AbortController();
  // To the end: terminals, npm and timeout send it more than once.
  process.on('SIGINT', () => stop.abort(new Error('interrupted')));
  const left = [...share.left];
  const told = teller(share);
  const work = async (): Promise<void> => {
    const worker = fork(process.argv[1] ?? '', [...process.argv.slice(2), '--worker']);
    stop.signal.addEventListener('abort', () => worker.kill('SIGKILL'), { once: true });
    try {
      for (let id = left.shift(); id !== undefined && !stop.signal.aborted; id = left.shift()) {
        share.results.add(id, await ask(worker, { reference: share.reference, id }));
        told();
      }
    } catch (error) {
      stop.abort(error);
    } finally {
      worker.kill('SIGKILL');
    }
  };
  await Promise.all(Array.from({ length: Math.min(workers, left.length) }, work));
  if (stop.signal.aborted) share.say(`ended early (${String(stop.signal.reason)}): the same command goes on from here`);
}

function ask(worker: ChildProcess, question: Question): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null, signal: string | null): void =>
      reject(new Error(`the process of case ${question.id} ended with ${code ?? signal}`));
    worker.once('exit', ended);
    worker.once('message', ({ result }: { readonly result: unknown }) => {
      worker.removeListener('exit', ended);
      resolve(result);
    });
    worker.send(question);
  });
}

const tellMs = 10_000;

/** Says at most every ten seconds how far it is and how long it will take. */
function teller({ results, left, total, say }: Share): () => void {
  const beganMs = performance.now();
  let saidMs = beganMs;
  let done = 0;
  return () => {
    done += 1;
    const nowMs = performance.now();
    if (nowMs - saidMs < tellMs && done < left.length) return;
    saidMs = nowMs;
    const minutes = Math.ceil((((nowMs - beganMs) / done) * (left.length - done)) / 60_000);
    say(`${results.known.size - 1} of ${total} cases, about ${minutes} min left`);
  };
}
