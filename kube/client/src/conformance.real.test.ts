/** The same suite at a real kube-apiserver, through a kubeconfig, over both protocols. */
import { background } from '@polyanthus/ground-base/context';
import { describe } from 'vitest';
import { startControlPlane } from '../../../lab/src/control-plane.ts';
import { whyNotReal } from '../../../lab/src/parts.ts';
import { contextOf, loadKubeconfig } from './kubeconfig.ts';
import { clientConformance } from './testing.ts';
import { transportFor } from './transport-of.ts';

for (const [version, protocol] of [
  ['1.37.2', 'http/1.1'],
  ['1.36.3', 'h2'],
] as const) {
  const missing = whyNotReal(['etcd', '3.7.0'], ['kube-apiserver', version]);
  describe.skipIf(missing !== undefined)(missing ?? `kube-apiserver ${version}`, () => {
    clientConformance(`kube-apiserver ${version} over ${protocol}`, async () => {
      const plane = await startControlPlane({ version });
      const context = contextOf(await loadKubeconfig({ files: [plane.kubeconfig], explicit: true }));
      return { transport: await transportFor(background(), context, { env: {}, protocol }), close: () => plane.stop() };
    });
  });
}
