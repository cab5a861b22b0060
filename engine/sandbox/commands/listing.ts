/** How sandboxes are shown. */
import type { Listing } from '@polyanthus/ground-cli-kit/printer';
import { age } from '@polyanthus/kube-kinds/ages';
import type { SandboxView } from '../src/control.ts';

/** Columns of `polyanthus sandbox list`. */
export function sandboxListing(nowMs: number): Listing<SandboxView> {
  return {
    name: ({ metadata }) => `sandbox/${metadata.name}`,
    columns: [
      { heading: 'NAME', cell: ({ metadata }) => metadata.name },
      { heading: 'OBJECTS', cell: ({ status }) => String(status.objects) },
      { heading: 'NODES', cell: ({ spec }) => String(spec.nodes) },
      { heading: 'AGE', cell: ({ metadata }) => age(metadata.creationTimestamp, nowMs) },
      { heading: 'IN MEMORY OF', cell: ({ status }) => `process ${status.pid}` },
      { heading: 'KUBECONFIG', cell: ({ status }) => status.kubeconfig },
      { heading: 'SERVER', cell: ({ status }) => status.server, wide: true },
    ],
  };
}
