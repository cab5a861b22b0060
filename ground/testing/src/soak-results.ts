/** Results of a soak on the disk, a JSON line for each case: what is there need not be done again. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, truncateSync } from 'node:fs';
import { dirname } from 'node:path';

/** What is known, and a place for more. */
export interface SoakResults {
  readonly known: ReadonlyMap<string, unknown>;
  /** Is on the disk when this returns. */
  add(id: string, result: unknown): void;
}

/** Opens the file, or begins it. A last line that is partial (its writer was killed) is cut off. */
export function openSoakResults(file: string): SoakResults {
  mkdirSync(dirname(file), { recursive: true });
  const bytes = existsSync(file) ? readFileSync(file) : Buffer.alloc(0);
  const whole = bytes.subarray(0, bytes.lastIndexOf('\n') + 1);
  if (whole.length < bytes.length) truncateSync(file, whole.length);
  const lines = whole.toString().split('\n').slice(0, -1);
  const known = new Map(lines.map((line) => JSON.parse(line) as [string, unknown]));
  return {
    known,
    add: (id, result) => {
      appendFileSync(file, `${JSON.stringify([id, result])}\n`);
      known.set(id, result);
    },
  };
}
