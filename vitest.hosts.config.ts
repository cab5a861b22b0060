import { defineConfig } from 'vitest/config';

/** The hosts tier: root on Linux; hosts, mounts and namespaces that the tests make themselves. */
export default defineConfig({
  test: {
    include: ['{ground,kube,engine,domains,apps}/*/src/**/*.hosts.test.ts', 'lab/**/*.hosts.test.ts'],
    exclude: ['**/node_modules/**'],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 300_000,
    passWithNoTests: true,
  },
});
