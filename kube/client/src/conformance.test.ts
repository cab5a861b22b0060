import { startTestCluster } from '@polyanthus/kube-server/testing';
import { clientConformance } from './testing.ts';

// `token` is skipped until the embedded server serves it.
clientConformance('embedded API server', () => startTestCluster(), ['token']);
