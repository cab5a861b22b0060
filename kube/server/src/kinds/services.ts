/** core/v1 Service: ports, and the cluster IP that never changes once given. Allocation is in admission. */
import { invalidValue, requiredValue, notSupported } from '@polyanthus/kube-objects/field-errors';
import type { StatusCause } from '@polyanthus/kube-objects/status';
import { listAt, objectAt, textAt, type ApiObject, type Faults } from '../api-object.ts';

const types = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];

/** Rules of a Service. */
export function serviceFaults(after: ApiObject, before: ApiObject | undefined): Faults {
  const faults: StatusCause[] = [];
  const spec = objectAt(after, 'spec');
  const type = textAt(spec, 'type');
  const ports = listAt(spec, 'ports');
  if (ports.length === 0 && textAt(spec, 'clusterIP') !== 'None' && type !== 'ExternalName')
    faults.push(requiredValue('spec.ports'));
  ports.forEach((port, index) => {
    const path = `spec.ports[${index}]`;
    if (ports.length > 1 && textAt(port, 'name') === '') faults.push(requiredValue(`${path}.name`));
    const number = port['port'];
    if (typeof number !== 'number' || number < 1 || number > 65535)
      faults.push(invalidValue(`${path}.port`, number ?? 0, 'must be between 1 and 65535, inclusive'));
  });
  if (!types.includes(type)) faults.push(notSupported('spec.type', type, types));
  const old = before === undefined ? {} : objectAt(before, 'spec');
  const had = textAt(old, 'clusterIP');
  const keeps = type !== 'ExternalName' && textAt(old, 'type') !== 'ExternalName';
  if (had !== '' && keeps && textAt(spec, 'clusterIP') !== had)
    faults.push(invalidValue('spec.clusterIPs[0]', [textAt(spec, 'clusterIP')], 'may not change once set'));
  return faults;
}
