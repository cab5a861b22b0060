/** Shapes of certificates.k8s.io/v1, and of the review that its approval asks for. */
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import { resourceType } from '@polyanthus/kube-objects/resource';
import type { PodCondition } from './core.ts';

/** A request for a certificate, its approval and what became of it. */
export interface CertificateSigningRequest extends KubeObject {
  readonly spec: {
    /** PEM in base64. */
    readonly request: string;
    readonly signerName: string;
    readonly usages?: readonly string[];
    readonly username?: string;
    readonly uid?: string;
    readonly groups?: readonly string[];
    readonly extra?: Readonly<Record<string, readonly string[]>>;
  };
  readonly status?: {
    readonly conditions?: readonly (PodCondition & { readonly lastUpdateTime?: string | null })[];
    /** PEM in base64. */
    readonly certificate?: string;
  };
}
/** certificates.k8s.io/v1 CertificateSigningRequest. */
export const certificateSigningRequests = resourceType<CertificateSigningRequest>(
  'certificates.k8s.io',
  'v1',
  'certificatesigningrequests',
  'CertificateSigningRequest',
  false,
);

/** The question whether somebody may do something, answered in its status. */
export interface SubjectAccessReview extends KubeObject {
  readonly spec: {
    readonly user?: string;
    readonly uid?: string;
    readonly groups?: readonly string[];
    readonly extra?: Readonly<Record<string, readonly string[]>>;
    readonly resourceAttributes?: {
      readonly group?: string;
      readonly version?: string;
      readonly resource?: string;
      readonly subresource?: string;
      readonly verb?: string;
      readonly namespace?: string;
      readonly name?: string;
    };
  };
  readonly status?: { readonly allowed?: boolean };
}
/** authorization.k8s.io/v1 SubjectAccessReview; it is only created. */
export const subjectAccessReviews = resourceType<SubjectAccessReview>(
  'authorization.k8s.io',
  'v1',
  'subjectaccessreviews',
  'SubjectAccessReview',
  false,
);
