/** Webhook configurations that kube-apiserver refuses, or completes, in its own way. */
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import type { webhookDifferences } from './webhooks-table.ts';

export interface ConfigurationCase {
  readonly name: string;
  readonly kind: string;
  readonly webhooks: readonly JsonObject[];
  readonly differs?: keyof typeof webhookDifferences;
}

const rule: JsonObject = { apiGroups: [''], apiVersions: ['v1'], resources: ['pods'], operations: ['CREATE'] };
const sound: JsonObject = {
  name: 'a.example.com',
  clientConfig: { url: 'https://example.com/x' },
  rules: [rule],
  sideEffects: 'None',
  admissionReviewVersions: ['v1'],
};
const service = (more: JsonObject): JsonObject => ({
  clientConfig: { service: { namespace: 'n', name: 's', ...more } },
});
const rules = (more: JsonObject): JsonObject => ({ rules: [{ ...rule, ...more }] });
const condition = (expression: string, name = 'c'): JsonObject => ({ matchConditions: [{ name, expression }] });
const selector = (one: JsonObject): JsonObject => ({ namespaceSelector: { matchExpressions: [one] } });

const changes: Readonly<Record<string, JsonObject>> = {
  sound: {},
  'no name': { name: '' },
  'a short name': { name: 'a.b' },
  'a bad name': { name: 'A_b.example.com' },
  'no side effects': { sideEffects: null },
  'some side effects': { sideEffects: 'Some' },
  'unknown words': { failurePolicy: 'Maybe', matchPolicy: 'Like', sideEffects: 'Odd' },
  'a long timeout': { timeoutSeconds: 31 },
  'no review versions': { admissionReviewVersions: [] },
  'unknown review versions': { admissionReviewVersions: ['v9', 'v9', '9'] },
  'no client': { clientConfig: {} },
  'two clients': { clientConfig: { url: 'https://x', service: { namespace: 'n', name: 's' } } },
  'plain http': { clientConfig: { url: 'http://example.com' } },
  'a url with everything': { clientConfig: { url: 'https://u:p@example.com/x?y=z#w' } },
  'a url without host': { clientConfig: { url: 'https:///x' } },
  'a service': service({}),
  'a service without names': { clientConfig: { service: { namespace: '', name: '', port: 0 } } },
  'service paths': service({ path: 'a//B/' }),
  'a service port': service({ port: 70_000 }),
  'empty rules': rules({ apiGroups: [], apiVersions: [], resources: [], operations: [] }),
  'stars with others': rules({
    apiGroups: ['*', 'a'],
    apiVersions: ['*', ''],
    resources: ['*', 'a'],
    operations: ['*', 'CREATE'],
  }),
  'wide resources': rules({ resources: ['a/*', 'a/b', '*/c', 'd/c', '*/*', ''] }),
  'odd operations': rules({ operations: ['READ'], scope: 'All' }),
  'a selector without values': selector({ key: 'a', operator: 'In' }),
  'a selector with values': selector({ key: 'a', operator: 'Exists', values: ['b'] }),
  'an odd selector': selector({ key: 'a b', operator: 'Like', values: ['b c'] }),
  'bad labels': { objectSelector: { matchLabels: { 'a b': 'c d' } } },
  'a condition': condition('object.metadata.name != "x" && request.userInfo.groups.exists(g, g == "y")'),
  'an empty condition': condition(' '),
  'a condition without name': condition('true', ''),
  'a badly named condition': condition('true', 'a b'),
  'equal conditions': {
    matchConditions: [
      { name: 'c', expression: 'true' },
      { name: 'c', expression: 'false' },
    ],
  },
  'a condition on nothing known': condition('subject == 1'),
};

export const configurationCases: readonly ConfigurationCase[] = [
  ...Object.entries(changes).map(([name, change]) => ({
    name,
    kind: 'validatingwebhookconfigurations',
    webhooks: [{ ...sound, ...change }],
  })),
  {
    name: 'a condition that is no expression',
    kind: 'validatingwebhookconfigurations',
    webhooks: [{ ...sound, ...condition('a ===') }],
    differs: 'celTexts',
  },
  { name: 'equal names', kind: 'validatingwebhookconfigurations', webhooks: [sound, sound] },
  {
    name: 'that changes',
    kind: 'mutatingwebhookconfigurations',
    webhooks: [{ ...sound, reinvocationPolicy: 'Often' }],
  },
  { name: 'with defaults', kind: 'mutatingwebhookconfigurations', webhooks: [sound] },
];
