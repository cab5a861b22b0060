/** Writes every generated file: `npm run generate`. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { generatedFiles } from './generated.ts';

const root = join(import.meta.dirname, '..');
for (const file of generatedFiles) {
  await mkdir(dirname(join(root, file.path)), { recursive: true });
  await writeFile(join(root, file.path), await file.make());
  process.stdout.write(`${file.path}\n`);
}
