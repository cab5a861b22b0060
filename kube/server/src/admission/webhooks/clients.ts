/** Connections to webhooks, one pool for each place and trust. */
import type { Context } from '@polyanthus/ground-base/context';
import type { Transport } from '@polyanthus/ground-http/message';
import { createTransport } from '@polyanthus/ground-http/node-client';
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import { objectAt, textAt } from '../../api-object.ts';
import type { Cluster } from '../../cluster.ts';
import { endpointOf, type WebhookService } from './service.ts';

/** Pools that are kept; the one that was not used for the longest time goes first. */
const poolsMax = 200;

/** A way to a webhook. */
export interface WebhookClient {
  /** Path to post to, without a query. */
  readonly path: string;
  /** The URL as it is shown. */
  readonly url: string;
  /** Throws an Error that says why a Service has no place. */
  readonly reach: (ctx: Context) => Promise<WebhookRoute>;
}

/** Connections to one place. */
export interface WebhookRoute {
  readonly transport: Transport;
  /** `host:port` that is dialled. */
  readonly place: string;
  /** The Host header, where it is not the place. */
  readonly host: string | undefined;
}

const byCluster = new WeakMap<Cluster, WebhookClients>();

/** The pools of a cluster. */
export function clientsOf(cluster: Cluster): WebhookClients {
  const known = byCluster.get(cluster) ?? new WebhookClients(cluster);
  byCluster.set(cluster, known);
  return known;
}

/** Opens and keeps the pools of a cluster. */
class WebhookClients {
  readonly #cluster: Cluster;
  readonly #pools = new Map<string, Transport>();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    cluster.onClose(() => {
      for (const pool of this.#pools.values()) void pool.close();
      this.#pools.clear();
    });
  }

  /** Throws TlsMaterialInvalid for a URL; the client of a Service does when it is reached. */
  clientOf(config: JsonObject): WebhookClient {
    const ca = Buffer.from(textAt(config, 'caBundle'), 'base64').toString();
    return config['service'] === undefined
      ? this.#ofUrl(textAt(config, 'url'), ca)
      : this.#ofService(objectAt(config, 'service'), ca);
  }

  #ofUrl(text: string, ca: string): WebhookClient {
    const url = new URL(text);
    const place = `${url.hostname}:${url.port === '' ? 443 : url.port}`;
    const route = { transport: this.#pool(url.origin, ca, undefined), place, host: undefined };
    return { path: url.pathname, url: `${url.origin}${url.pathname}`, reach: async () => route };
  }

  #ofService(service: JsonObject, ca: string): WebhookClient {
    const { port = 443 } = service;
    const wanted = { namespace: textAt(service, 'namespace'), name: textAt(service, 'name'), port: Number(port) };
    const serverName = `${wanted.name}.${wanted.namespace}.svc`;
    const path = textAt(service, 'path') || '/';
    const url = `https://${serverName}:${wanted.port}${path}`;
    const reach = (ctx: Context): Promise<WebhookRoute> => this.#routeTo(ctx, wanted, serverName, ca);
    return { path, url, reach };
  }

  async #routeTo(ctx: Context, wanted: WebhookService, serverName: string, ca: string): Promise<WebhookRoute> {
    const dialled = await this.#cluster.dialWebhook?.(ctx, wanted);
    const { host, port: at } = dialled ?? endpointOf(this.#cluster, wanted);
    const place = `${host.includes(':') ? `[${host}]` : host}:${at}`;
    const transport = this.#pool(`https://${place}`, ca, serverName);
    return { transport, place, host: `${serverName}:${wanted.port}` };
  }

  #pool(baseUrl: string, ca: string, serverName: string | undefined): Transport {
    const key = JSON.stringify([baseUrl, ca, serverName]);
    const known = this.#pools.get(key);
    const pool = known ?? createTransport({ baseUrl, tls: { ...(ca === '' ? {} : { ca }), serverName } });
    this.#pools.delete(key);
    this.#pools.set(key, pool);
    const [oldest] = this.#pools;
    if (this.#pools.size > poolsMax && oldest !== undefined) {
      this.#pools.delete(oldest[0]);
      void oldest[1].close();
    }
    return pool;
  }
}
