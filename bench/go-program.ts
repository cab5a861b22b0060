/** Go programs that benchmarks start beside the product: load generators and peers. */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { cacheFolder } from '../lab/src/parts.ts';

/** A Go program of the benchmarks (its folder below bench/), built into the lab's cache when it is not there as it is now. */
export function goProgram(folder: 'gateway/load' | 'gateway/remotedialer' | 'store-writers/etcd-load'): string {
  const output = join(cacheFolder, 'bench', basename(folder));
  mkdirSync(join(cacheFolder, 'bench'), { recursive: true });
  const built = spawnSync('go', ['build', '-trimpath', '-o', output, '.'], {
    cwd: join(import.meta.dirname, folder),
    env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false -mod=readonly' },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (built.status !== 0) throw new Error(`bench/${folder} could not be built; is Go installed?`);
  return output;
}
