/**
 * The agent's right to act as others in its member, as small as the member's Kubernetes allows. From 1.36 on constrained
 * impersonation (KEP-5284) names both whom and what: no request verb beyond the listed ones, and system:masters is never
 * reached. Before, the only right there is, `impersonate`, is as good as root (docs/security.md).
 */
import type { PolicyRule } from '@polyanthus/kube-kinds/core';

/** The verbs of RequestInfo for resources; those that only read come first. */
const reading = ['get', 'list', 'watch'] as const;
const writing = ['create', 'update', 'patch', 'delete', 'deletecollection'] as const;
const readingUrls = ['get', 'head', 'options'] as const;
const writingUrls = ['post', 'put', 'patch', 'delete'] as const;

const onUserInfo = (verbs: readonly string[]): readonly string[] =>
  verbs.map((verb) => `impersonate-on:user-info:${verb}`);

/** The rules for a member of this version (`v1.36.3`) and ceiling. */
export function impersonationRules(version: string, ceiling: 'full' | 'readonly'): readonly PolicyRule[] {
  if (!isConstrained(version)) return [{ apiGroups: [''], resources: ['users', 'groups'], verbs: ['impersonate'] }];
  const full = ceiling === 'full';
  return [
    { apiGroups: ['authentication.k8s.io'], resources: ['users', 'groups'], verbs: ['impersonate:user-info'] },
    { apiGroups: ['*'], resources: ['*'], verbs: onUserInfo(full ? [...reading, ...writing] : reading) },
    { nonResourceURLs: ['*'], verbs: onUserInfo(full ? [...readingUrls, ...writingUrls] : readingUrls) },
    // What one may do is asked by create; without it kubectl auth can-i and whoami would fail under the read-only ceiling.
    ...(full
      ? []
      : [
          {
            apiGroups: ['authorization.k8s.io', 'authentication.k8s.io'],
            resources: ['selfsubjectaccessreviews', 'selfsubjectrulesreviews', 'selfsubjectreviews'],
            verbs: onUserInfo(['create']),
          },
        ]),
  ];
}

/** Whether members of this version have constrained impersonation switched on by default. */
export function isConstrained(version: string): boolean {
  const match = /^v?(\d+)\.(\d+)/.exec(version);
  return match !== null && (Number(match[1]) > 1 || Number(match[2]) >= 36);
}
