import type { PolicyRule } from '@polyanthus/kube-kinds/core';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import { describe, expect, it } from 'vitest';
import { agentManifest, agentSubjects, type AgentManifestOptions } from './agent-manifest.ts';

const options: AgentManifestOptions = {
  fleet: 'default',
  membership: 'edge-1',
  membershipUid: 'uid-1',
  version: 'v1.37.2',
  ceiling: 'full',
  hubUrl: 'https://hub.example.org',
  hubCaPem: 'ca',
  image: 'example.org/polyanthus:1',
};
const named = (objects: readonly KubeObject[], kind: string, name: string): KubeObject =>
  objects.find((object) => object.kind === kind && object.metadata.name === name) as KubeObject;
const reading = ['get', 'list', 'watch', '*'];

interface Deployment extends KubeObject {
  readonly spec: { readonly template: { readonly metadata: object; readonly spec: { serviceAccountName: string } } };
}

describe('the manifest of the agent', () => {
  it.each(['v1.37.2', 'v1.32.13'])('lets no role read a Secret as itself (%s)', (version) => {
    const roles = agentManifest({ ...options, version }).filter((object) => object.kind === 'ClusterRole');
    const rules = roles.flatMap((role) => (role as KubeObject & { readonly rules: readonly PolicyRule[] }).rules);
    const readers = rules.filter(
      (rule) =>
        rule.resources?.some((resource) => resource === 'secrets' || resource === '*') === true &&
        rule.verbs.some((verb) => reading.includes(verb)),
    );
    expect([roles.length, readers]).toEqual([2, []]);
  });

  it('runs each role under the account that the hub lets enrol', () => {
    const objects = agentManifest(options);
    const accounts = ['tunnel', 'fleet'].map((role) => {
      const { namespace } = named(objects, 'ServiceAccount', `polyanthus-agent-${role}`).metadata;
      const { spec } = named(objects, 'Deployment', `polyanthus-agent-${role}`) as Deployment;
      return `system:serviceaccount:${namespace ?? ''}:${spec.template.spec.serviceAccountName}`;
    });
    expect(accounts).toEqual([agentSubjects.tunnel, ...agentSubjects.api]);
  });

  it('starts new pods for a new configuration, and for nothing else', () => {
    const pod = (more: Partial<AgentManifestOptions>): object =>
      (named(agentManifest({ ...options, ...more }), 'Deployment', 'polyanthus-agent-tunnel') as Deployment).spec
        .template.metadata;
    expect(pod({})).toEqual(pod({ ceiling: 'readonly' }));
    expect(pod({ hubCaPem: 'another' })).not.toEqual(pod({}));
  });
});
