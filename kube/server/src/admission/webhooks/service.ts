/**
 * Where a Service that serves webhooks is reached: at one of its ready endpoints, since nobody here forwards
 * what is sent to its address, or at the name that it stands for (apiserver pkg/util/proxy).
 */
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import { listAt, objectAt, textAt } from '../../api-object.ts';
import type { Cluster } from '../../cluster.ts';
import { parseStored } from '../../encode.ts';
import type { WebhookPlace } from '../../webhook-dialer.ts';

/** The Service of a clientConfig. */
export interface WebhookService {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
}

const dialable: ReadonlySet<string> = new Set(['ClusterIP', 'LoadBalancer', 'NodePort']);

/** The other name, or a ready endpoint, a random one of several. Throws an Error that says why there is none. */
export function endpointOf(cluster: Cluster, { namespace, name, port }: WebhookService): WebhookPlace {
  const stored = cluster.find('', 'services', namespace, name);
  if (stored === undefined) throw new Error(`service ${JSON.stringify(name)} not found`);
  const spec = objectAt(parseStored(stored), 'spec');
  const type = textAt(spec, 'type') || 'ClusterIP';
  if (type === 'ExternalName') return { host: textAt(spec, 'externalName'), port };
  if (type === 'ClusterIP' && textAt(spec, 'clusterIP') === 'None')
    throw new Error('cannot route to service with ClusterIP "None"');
  if (!dialable.has(type)) throw new Error(`unsupported service type ${JSON.stringify(type)}`);
  const servicePort = listAt(spec, 'ports').find((one) => one['port'] === port);
  if (servicePort === undefined) throw new Error(`no service port ${port} found for service ${JSON.stringify(name)}`);
  const places = readyPlaces(cluster, namespace, name, textAt(servicePort, 'name'));
  const place = places[Math.floor(cluster.random.float() * places.length)];
  if (place === undefined) throw new Error(`no endpoints available for service ${JSON.stringify(name)}`);
  return place;
}

function readyPlaces(cluster: Cluster, namespace: string, service: string, portName: string): readonly WebhookPlace[] {
  return cluster.listAll('discovery.k8s.io', 'endpointslices', namespace).flatMap((stored) => {
    if (stored.index.labels?.['kubernetes.io/service-name'] !== service) return [];
    const slice = parseStored(stored);
    const port = listAt(slice, 'ports').find((one) => textAt(one, 'name') === portName)?.['port'];
    if (typeof port !== 'number' || textAt(slice, 'addressType') === 'FQDN') return [];
    return listAt(slice, 'endpoints')
      .filter(isReady)
      .flatMap(({ addresses }) => (Array.isArray(addresses) ? [{ host: String(addresses[0]), port }] : []));
  });
}

/** An endpoint that does not say is ready. */
function isReady(endpoint: JsonObject): boolean {
  return objectAt(endpoint, 'conditions')['ready'] !== false;
}
