/** Adds up the results of the tiers named and the steps that failed, prints what was skipped, ends with the line that CI reads. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numFailedTestSuites: number;
  readonly success: boolean;
  readonly testResults: readonly {
    readonly name: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages?: readonly string[];
    }[];
  }[];
}

const [folder = '.', failedSteps = '0', ...tiers] = process.argv.slice(2);
const print = (line: string): void => void process.stdout.write(`${line}\n`);
/** What a failure says, short enough that the last lines of a log hold all of them. */
const indented = (message: string): string =>
  message
    .slice(0, 1_500)
    .split('\n')
    .slice(0, 12)
    .map((line) => `    ${line}`)
    .join('\n');
let passed = 0;
let failed = 0;
let skipped = 0;
for (const tier of tiers) {
  const file = join(folder, `${tier}.json`);
  if (!existsSync(file)) {
    print(`${tier}: FAILED, it left no results`);
    failed += 1;
    continue;
  }
  const report = JSON.parse(readFileSync(file, 'utf8')) as Report;
  print(`${tier}: ${report.numPassedTests} passed, ${report.numFailedTests} failed, ${report.numPendingTests} skipped`);
  passed += report.numPassedTests;
  failed += report.numFailedTests + (report.success || report.numFailedTests > 0 ? 0 : 1);
  skipped += report.numPendingTests;
  for (const suite of report.testResults) {
    const broken = suite.message !== '' && suite.assertionResults.length === 0;
    if (broken) print(`  FAILED: ${suite.name}: ${suite.message.split('\n')[0] ?? ''}`);
    for (const test of suite.assertionResults) {
      if (test.status === 'skipped' || test.status === 'pending') print(`  skipped: ${test.fullName}`);
      if (test.status !== 'failed') continue;
      print(`  FAILED: ${test.fullName}`);
      for (const message of test.failureMessages ?? []) print(indented(message));
    }
  }
}
failed += Number(failedSteps);
print(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
