/**
 * Counts the runs of every property when POLYANTHUS_PROPERTY_REPORT names a file: one JSON line each, for
 * `npm run soak:properties`, which makes evidence/properties.md of them. Otherwise it does nothing.
 */
import { appendFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { expect } from 'vitest';

const report = process.env['POLYANTHUS_PROPERTY_REPORT'];
if (report !== undefined) {
  fc.configureGlobal({
    reporter: (out) => {
      const { testPath = '', currentTestName = '' } = expect.getState();
      appendFileSync(
        report,
        `${JSON.stringify({ file: testPath, test: currentTestName, runs: out.numRuns, failed: out.failed })}\n`,
      );
      if (out.failed) throw new Error(fc.defaultReportMessage(out));
    },
  });
}
