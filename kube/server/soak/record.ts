/** Makes src/store/testdata/crash-recording.jsonl.gz anew: `node kube/server/soak/record.ts` (Linux with strace). */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath, stdout } from 'node:process';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { traceProgram } from './strace.ts';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const directory = await mkdtemp(join(tmpdir(), 'record-'));
try {
  const operations = await traceProgram([execPath, path('record-workload.ts'), directory], directory);
  const text = operations.map((operation) => `${JSON.stringify(operation)}\n`).join('');
  const packed = gzipSync(text, { level: 9 });
  await writeFile(path('../src/store/testdata/crash-recording.jsonl.gz'), packed);
  const kinds = new Map<string, number>();
  for (const { kind } of operations) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  stdout.write(`${JSON.stringify(Object.fromEntries(kinds))}, ${packed.length} bytes\n`);
} finally {
  await rm(directory, { recursive: true });
}
