/**
 * Who may approve and sign, and what nobody may ask for (kube plugin/pkg/admission/certificates): the right to an
 * endpoint is not the right to a signer, else a helper that approves kubelets could make administrators.
 */
import { readCsr } from '@polyanthus/ground-pki/authority';
import { equalJson } from '@polyanthus/kube-objects/json-value';
import { listAt, objectAt, textAt, type ApiObject } from '../api-object.ts';
import type { Scope } from '../scope.ts';
import { forbidden } from './namespace-lifecycle.ts';
import type { Operation } from './plugin.ts';

const clientSigner = 'kubernetes.io/kube-apiserver-client';

export async function csrRights(
  scope: Scope,
  operation: Operation,
  object: ApiObject,
  before: ApiObject | undefined,
): Promise<ApiObject> {
  const { group, resource } = scope.definition.type;
  if (group !== 'certificates.k8s.io' || resource !== 'certificatesigningrequests') return object;
  const signer = textAt(objectAt(before ?? object, 'spec'), 'signerName');
  if (operation === 'CREATE' && signer === clientSigner) await refuseMasters(scope, object);
  if (operation !== 'UPDATE' || before === undefined) return object;
  if (scope.subresource === 'approval') await requireSigner(scope, 'approve', signer);
  if (scope.subresource !== 'status') return object;
  const kept = withDecisions(object, before);
  if (signs(kept, before)) await requireSigner(scope, 'sign', signer);
  return kept;
}

async function refuseMasters(scope: Scope, object: ApiObject): Promise<void> {
  const name = object.metadata.name ?? '';
  const pem = Buffer.from(textAt(objectAt(object, 'spec'), 'request'), 'base64').toString();
  const { organizations } = await readCsr(pem).catch((error: unknown) => {
    throw forbidden(scope, name, `failed to parse CSR: ${error instanceof Error ? error.message : String(error)}`);
  });
  if (organizations.includes('system:masters'))
    throw forbidden(scope, name, `use of ${clientSigner} signer with system:masters group is not allowed`);
}

/** By the signer's name, or by all of its domain. */
async function requireSigner(scope: Scope, verb: 'approve' | 'sign', signer: string): Promise<void> {
  for (const name of [signer, `${signer.split('/')[0] ?? ''}/*`]) {
    const decision = await scope.cluster.authorize({
      kind: 'resource',
      user: scope.user,
      verb,
      group: 'certificates.k8s.io',
      version: '*',
      resource: 'signers',
      subresource: '',
      namespace: '',
      name,
    });
    if (decision.allowed) return;
  }
  throw forbidden(
    scope,
    scope.name,
    `user not permitted to ${verb} requests with signerName ${JSON.stringify(signer)}`,
  );
}

const isDecision = (condition: object): boolean =>
  ['Approved', 'Denied'].includes((condition as { readonly type?: string }).type ?? '');

/** The status endpoint keeps approvals and denials as they are. */
function withDecisions(object: ApiObject, before: ApiObject): ApiObject {
  const status = objectAt(object, 'status');
  const decided = listAt(objectAt(before, 'status'), 'conditions').filter(isDecision);
  const conditions = [...decided, ...listAt(status, 'conditions').filter((one) => !isDecision(one))];
  if (conditions.length === 0 && status['conditions'] === undefined) return object;
  const { conditions: _all, ...rest } = status;
  return { ...object, status: conditions.length === 0 ? rest : { ...rest, conditions } };
}

/** Whether an update puts in a certificate, or says that signing has failed. */
function signs(object: ApiObject, before: ApiObject): boolean {
  const part = (one: ApiObject): readonly unknown[] => {
    const status = objectAt(one, 'status');
    return [status['certificate'] ?? '', listAt(status, 'conditions').filter(({ type }) => type === 'Failed')];
  };
  return !equalJson(part(object) as never, part(before) as never);
}
