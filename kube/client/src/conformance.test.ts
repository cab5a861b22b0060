import { startTestCluster } from '@polyanthus/kube-server/testing';
import { clientConformance } from './testing.ts';

clientConformance('embedded API server', () => startTestCluster());
