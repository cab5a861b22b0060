/** Requests that claim what nobody gave: as data, tried by attacks.real.test.ts. */
import type { GatewayAudit } from '@polyanthus/engine-gateway/audit';
import type { Member, TestFleet, UserFields } from './fixture.ts';
import type { Issuer } from './oidc-issuer.ts';

/** Who there is to attack as. */
export interface Attackers {
  readonly fleet: TestFleet;
  readonly member: Member;
  readonly issuer: Issuer;
  /** Has the role edit in the member. */
  readonly editor: UserFields;
  /** Known to the hub, without any right. */
  readonly nobody: UserFields;
}

/** One request, and what must become of it. */
export interface Attempt {
  readonly user: (who: Attackers) => UserFields | Promise<UserFields>;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly status: number;
  readonly says?: RegExp;
  readonly audit?: Partial<GatewayAudit>;
}
/** By what is tried. All of it is refused before a member sees it. */
export const refusedAttempts: Readonly<Record<string, Attempt>> = {
  'Impersonate-User without the right': {
    user: ({ editor }) => editor,
    headers: { 'Impersonate-User': 'root' },
    status: 403,
    says: /cannot impersonate resource/,
    audit: { user: 'eve', allowed: false },
  },
  'Impersonate-Group: system:masters, mixed case': {
    user: ({ editor }) => editor,
    headers: { 'imPERSONATE-user': 'eve', 'ImPeRsOnAtE-GrOuP': 'system:masters' },
    status: 403,
    says: /cannot impersonate/,
    audit: { user: 'eve', allowed: false },
  },
  'Impersonate-Group alone': {
    user: ({ editor }) => editor,
    headers: { 'Impersonate-Group': 'system:masters' },
    status: 400,
    audit: { user: 'eve', allowed: false },
  },
  'Impersonate-User twice': {
    user: ({ editor }) => editor,
    headers: { 'Impersonate-User': ['eve', 'root'] },
    status: 400,
    says: /more than one user/,
    audit: { user: 'eve', allowed: false },
  },
  'Impersonate-User named by Connection': {
    user: ({ editor }) => editor,
    headers: { Connection: 'Impersonate-User', 'Impersonate-User': 'root' },
    status: 403,
    says: /cannot impersonate/,
    audit: { user: 'eve', allowed: false },
  },
  'Impersonate-Uid': {
    user: ({ editor }) => editor,
    headers: { 'Impersonate-User': 'eve', 'Impersonate-Uid': '1' },
    status: 403,
    audit: { user: 'eve', allowed: false },
  },
  'Impersonate-Extra-Scopes': {
    user: ({ editor }) => editor,
    headers: { 'Impersonate-User': 'eve', 'Impersonate-Extra-Scopes': 'all' },
    status: 403,
    audit: { user: 'eve', allowed: false },
  },
  'the administrator impersonates system:masters into a member': {
    user: async ({ fleet }) => ({ token: fleet.identity.adminToken }),
    headers: { 'Impersonate-User': 'root', 'Impersonate-Group': 'system:masters' },
    status: 403,
    says: /means something inside the member/,
    audit: { user: 'polyanthus:admin', allowed: false },
  },
  'system:masters by client certificate': {
    user: ({ fleet }) => fleet.certified('mallory', ['system:masters']),
    status: 403,
    says: /means something inside the member/,
    audit: { user: 'mallory', allowed: false },
  },
  'a system: user by client certificate': {
    user: ({ fleet }) => fleet.certified('system:kube-controller-manager', ['polyanthus:administrators']),
    status: 403,
    says: /means something inside the member/,
    audit: { user: 'system:kube-controller-manager', allowed: false },
  },
  'a name that the hub gives its ServiceAccounts, by client certificate': {
    user: ({ fleet }) => fleet.certified('hub:serviceaccount:ci:robot', ['polyanthus:administrators']),
    status: 403,
    says: /a name that the hub itself gives/,
    audit: { allowed: false },
  },
  'system:masters by OIDC group': {
    user: async ({ issuer }) => ({ token: await issuer.token({ sub: 'mallory', groups: ['system:masters'] }) }),
    status: 401,
    audit: { user: '', allowed: false },
  },
  'an expired OIDC token': {
    user: async ({ issuer }) => ({
      token: await issuer.token({ sub: 'ana', exp: Math.floor(Date.now() / 1000) - 60 }),
    }),
    status: 401,
    audit: { user: '', allowed: false },
  },
  "another client's OIDC token": {
    user: async ({ issuer }) => ({ token: await issuer.token({ sub: 'ana', aud: 'shop' }) }),
    status: 401,
    audit: { user: '', allowed: false },
  },
  "a member's own administrator's token": {
    user: ({ member }) => ({ token: member.plane.adminToken }),
    status: 401,
    audit: { user: '', allowed: false },
  },
  'an expired client certificate': {
    user: ({ fleet }) => fleet.certified('eve', [], 1000, 20 * 60_000),
    status: 401,
    audit: { user: '', allowed: false },
  },
  'no credentials': {
    user: () => ({}),
    status: 403,
    says: /system:anonymous/,
    audit: { user: 'system:anonymous', allowed: false },
  },
  'a membership that is there, asked by one without rights': {
    user: ({ nobody }) => nobody,
    status: 403,
    says: /cannot list resource \\"memberships\/gateway/,
    audit: { user: 'nan', allowed: false },
  },
  'more than 1000 header fields': {
    user: ({ editor }) => editor,
    headers: Object.fromEntries(Array.from({ length: 1001 }, (_, index) => [`x-${index}`, 'a'])),
    status: 431,
    says: /header fields/,
    audit: { user: '', allowed: false },
  },
  'header fields of 100 KB': {
    user: ({ editor }) => editor,
    headers: Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`x-${index}`, 'a'.repeat(10_000)])),
    status: 431,
    says: /header fields take/,
    audit: { user: '', allowed: false },
  },
};
