import { describe, expect, it } from 'vitest';
import type { CertificateSigningRequest } from '@polyanthus/kube-kinds/certificates';
import { expiryMs } from './cleaner.ts';

const clientSigner = 'kubernetes.io/kube-apiserver-client-kubelet';

describe('a request', () => {
  const request = (status: CertificateSigningRequest['status']): CertificateSigningRequest => ({
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name: 'r', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { request: '', signerName: clientSigner },
    ...(status === undefined ? {} : { status }),
  });
  it.each([
    [undefined, '2026-01-02T00:00:00Z'],
    [{ conditions: [] }, '2026-01-02T00:00:00Z'],
    [
      { conditions: [{ type: 'Denied', status: 'True' as const, lastUpdateTime: '2026-01-01T05:00:00Z' }] },
      '2026-01-01T06:00:00Z',
    ],
    [
      {
        conditions: [{ type: 'Approved', status: 'True' as const, lastUpdateTime: '2026-01-01T05:00:00Z' }],
        certificate: 'bm9uZQ==',
      },
      '2026-01-01T06:00:00Z',
    ],
  ])('with the status %o is of use until %s', (status, expected) => {
    expect(expiryMs(request(status))).toBe(Date.parse(expected));
  });
});
