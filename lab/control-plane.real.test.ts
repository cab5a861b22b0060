import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startControlPlane, type ControlPlane } from './src/control-plane.ts';
import { binary, whyNotReal } from './src/parts.ts';

const why = whyNotReal(['etcd', '3.7.0'], ['kube-apiserver', '1.37.2'], ['kubectl', '1.37.2']);

describe.skipIf(why !== undefined)(`a real control plane${why === undefined ? '' : ` (${why})`}`, () => {
  let plane: ControlPlane;
  beforeAll(async () => {
    plane = await startControlPlane();
  });
  afterAll(() => plane.stop());

  it('answers kubectl', () => {
    const out = execFileSync(
      binary('kubectl', '1.37.2') ?? '',
      ['--kubeconfig', plane.kubeconfig, 'version', '-o', 'json'],
      { encoding: 'utf8' },
    );
    expect((JSON.parse(out) as { serverVersion: { gitVersion: string } }).serverVersion.gitVersion).toBe('v1.37.2');
  });
});
