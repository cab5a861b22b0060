/** Gives Services their cluster IP out of the cluster's range. */
import { invalidValue } from '@polyanthus/kube-objects/field-errors';
import { invalidObject } from '../invalid.ts';
import { objectAt, textAt, type ApiObject } from '../api-object.ts';
import { parseKept } from '../encode.ts';
import type { Scope } from '../scope.ts';
import type { Operation } from './plugin.ts';

/** A.B.0.0/16: room for what an embedded cluster holds. */
const prefix = '10.96.';
const hostsMax = 65_000;

export function clusterIp(
  scope: Scope,
  operation: Operation,
  object: ApiObject,
  before: ApiObject | undefined,
): ApiObject {
  const { type } = scope.definition;
  if (operation === 'DELETE' || type.group !== '' || type.resource !== 'services' || scope.subresource !== '')
    return object;
  const spec = objectAt(object, 'spec');
  const kind = textAt(spec, 'type') || 'ClusterIP';
  if (kind === 'ExternalName') return object;
  const had = before === undefined ? '' : textAt(objectAt(before, 'spec'), 'clusterIP');
  const asked = textAt(spec, 'clusterIP') || had;
  const address = asked === '' ? allocate(scope) : asked;
  if (asked !== '' && asked !== 'None' && asked !== had && usedAddresses(scope).has(asked))
    throw invalidObject('', 'Service', object.metadata.name ?? '', [
      invalidValue('spec.clusterIPs', [asked], `failed to allocate IP ${asked}: provided IP is already allocated`),
    ]);
  // Headless and without a selector: whoever writes the endpoints decides on families.
  const dual = address === 'None' && spec['selector'] === undefined;
  return {
    ...object,
    spec: {
      ...spec,
      type: kind,
      clusterIP: address,
      clusterIPs: [address],
      ...(spec['ipFamilies'] === undefined ? { ipFamilies: dual ? ['IPv4', 'IPv6'] : ['IPv4'] } : {}),
      ...(spec['ipFamilyPolicy'] === undefined ? { ipFamilyPolicy: dual ? 'RequireDualStack' : 'SingleStack' } : {}),
    },
  };
}

function usedAddresses(scope: Scope): ReadonlySet<string> {
  const used = new Set<string>();
  for (const stored of scope.cluster.listAll('', 'services')) {
    const address = textAt(objectAt(parseKept(stored), 'spec'), 'clusterIP');
    if (address !== '' && address !== 'None') used.add(address);
  }
  return used;
}

/** The first free address after a random start, so that addresses are not used again at once. .0.1 is the API's, .0.10 DNS's. */
function allocate(scope: Scope): string {
  const used = usedAddresses(scope);
  const start = Math.floor(scope.cluster.random.float() * hostsMax);
  for (let step = 0; step < hostsMax; step++) {
    const host = 256 + ((start + step) % (hostsMax - 256));
    const address = `${prefix}${host >> 8}.${host & 255}`;
    if (!used.has(address)) return address;
  }
  throw invalidObject('', 'Service', '', [
    invalidValue('spec.clusterIPs', [], 'failed to allocate a serviceIP: range is full'),
  ]);
}
