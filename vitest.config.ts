import { defineConfig } from 'vitest/config';

/**
 * The hermetic tier. `pure` shares one realm per thread and must not touch the network or the disk outside a
 * temporary folder; `server` gets a process per file because it opens sockets, workers and SQLite files.
 * A test file belongs to `server` when its name ends in `.server.test.ts`.
 */
export default defineConfig({
  test: {
    passWithNoTests: false,
    projects: [
      {
        test: {
          name: 'pure',
          setupFiles: ['checks/property-report.setup.ts'],
          include: ['{ground,kube,engine,domains,apps}/*/{src,commands}/**/*.test.ts', 'checks/**/*.test.ts'],
          exclude: ['**/*.{server,real,hosts}.test.ts', '**/node_modules/**'],
          pool: 'threads',
          isolate: false,
          // Not a judgement of speed: a busy machine of two cores is ten times slower than a quiet one.
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'server',
          setupFiles: ['checks/property-report.setup.ts'],
          include: ['{ground,kube,engine,domains,apps}/*/src/**/*.server.test.ts'],
          exclude: ['**/node_modules/**'],
          pool: 'forks',
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
