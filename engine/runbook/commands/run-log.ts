/** The log of a run that is carried out here: one line of JSON for each event. */
import { appendFileSync } from 'node:fs';
import type { Io } from '@polyanthus/ground-cli-kit/io';
import { textOf } from '../src/failures.ts';
import type { RunEvent } from '../src/handle.ts';

/** A log that cannot be written (a full disk) is said once; the run itself does not depend on it. */
export function logTo(log: string, io: Io): (event: RunEvent) => void {
  let failed = false;
  return (event) => {
    try {
      appendFileSync(log, `${JSON.stringify(event)}\n`);
      failed = false;
    } catch (error) {
      if (!failed) io.err(`the log ${log} is not complete: ${textOf(error)}\n`);
      failed = true;
    }
  };
}
