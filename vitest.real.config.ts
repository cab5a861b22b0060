import { defineConfig } from 'vitest/config';

/** The real tier: etcd, kube-apiserver, kubectl and so on from the lab's cache. One file at a time: two cores. */
export default defineConfig({
  test: {
    include: ['{ground,kube,engine,domains,apps}/*/src/**/*.real.test.ts', 'lab/**/*.real.test.ts'],
    exclude: ['**/node_modules/**'],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    passWithNoTests: false,
  },
});
