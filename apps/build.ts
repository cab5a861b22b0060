/**
 * Bundles the apps into dist/: one entry for the command line (`main.mjs`) and one for each worker. Chunks are shared,
 * and what is imported on demand stays a file of its own, so that start-up loads only what runs. An argument names
 * another folder than dist/: tests run a bundle of their own, which no build beside them takes away.
 */
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..');
const target = process.argv[2] ?? join(root, 'dist');
const fresh = `${target}.${process.pid}`;

await mkdir(fresh, { recursive: true });
try {
  await build({
    entryPoints: {
      main: join(root, 'apps/cli/src/main.ts'),
      'api-worker': join(root, 'apps/hub/src/api-worker.ts'),
      'sqlite-worker': join(root, 'kube/server/src/store/sqlite-worker.ts'),
      'controllers-worker': join(root, 'apps/hub/src/controllers-worker.ts'),
      'runbook-worker': join(root, 'apps/hub/src/runbook-worker.ts'),
      'leader-worker': join(root, 'apps/hub/src/leader-worker.ts'),
    },
    outdir: fresh,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    sourcemap: 'linked',
    logLevel: 'warning',
    // Some dependencies are CommonJS and call require of Node's own modules.
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
  });
  await rm(target, { recursive: true, force: true });
  await rename(fresh, target);
} finally {
  await rm(fresh, { recursive: true, force: true });
}
