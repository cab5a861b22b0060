/** From a kubeconfig context, or from inside a pod, to a Transport. */
import { readFile } from 'node:fs/promises';
import type { Context } from '@polyanthus/ground-base/context';
import type { ClientTls } from '@polyanthus/ground-http/dialer';
import { httpErrors } from '@polyanthus/ground-http/errors';
import type { HttpRequest, Transport } from '@polyanthus/ground-http/message';
import { createTransport } from '@polyanthus/ground-http/node-client';
import { proxyEnvironment } from '@polyanthus/ground-http/proxy';
import { credentialSource, type CredentialSource, type Credentials } from './credentials.ts';
import { clientErrors } from './errors.ts';
import type { KubeContext } from './kubeconfig.ts';

export interface TransportForOptions {
  /** The process environment: proxies, and what credential plugins inherit. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether a plugin may ask on stdin; default false. */
  readonly terminal?: boolean;
  /** Where a plugin's stderr goes; default `pipe`, CLIs pass `inherit`. */
  readonly pluginStderr?: 'inherit' | 'pipe';
  readonly protocol?: 'http/1.1' | 'h2';
}

/**
 * The way to the cluster of a context, as its user. Reads CA and credentials as they change. Throws KubeconfigInvalid,
 * KubeconfigUnreadable, CredentialUnsupported, TlsMaterialInvalid or ProxyUnsupported before any connection.
 */
export async function transportFor(
  ctx: Context,
  context: KubeContext,
  options: TransportForOptions,
): Promise<Transport> {
  const { fields, name } = context.cluster;
  const baseUrl = serverUrl(fields.server ?? '', name);
  const insecure = fields['insecure-skip-tls-verify'] === true;
  const ca = await caOf(context);
  if (insecure && ca !== undefined)
    throw clientErrors.error(
      'KubeconfigInvalid',
      `cluster ${JSON.stringify(name)}: a CA and insecure-skip-tls-verify exclude each other`,
    );
  const environment = {
    env: options.env,
    terminal: options.terminal ?? false,
    stderr: options.pluginStderr ?? 'pipe',
  } as const;
  const source = credentialSource(context, ca, environment);
  const make = (tls: ClientTls): Transport =>
    createTransport({
      baseUrl,
      tls: { ...tls, ca, serverName: fields['tls-server-name'], insecure },
      proxyUrl: fields['proxy-url'],
      proxyEnvironment: proxyEnvironment(options.env),
      protocol: options.protocol ?? 'http/1.1',
    });
  // A plugin is not run before it is needed; a certificate that cannot be used is an error now.
  if (context.user.fields.exec === undefined) await make(tlsOf(await source.current(ctx))).close();
  return new CredentialTransport(source, make);
}

/** Adds the credentials to each request, and connects anew when the client certificate has changed. */
class CredentialTransport implements Transport {
  readonly #source: CredentialSource;
  readonly #make: (tls: ClientTls) => Transport;
  #inner:
    | { readonly cert: string | undefined; readonly key: string | undefined; readonly transport: Transport }
    | undefined;
  #closed = false;

  constructor(source: CredentialSource, make: (tls: ClientTls) => Transport) {
    this.#source = source;
    this.#make = make;
  }

  async request(ctx: Context, request: HttpRequest): ReturnType<Transport['request']> {
    const { transport, signed } = await this.#sign(ctx, request);
    const response = await transport.request(ctx, signed);
    if (response.status === 401) this.#source.refused();
    return response;
  }

  async upgrade(ctx: Context, request: HttpRequest): ReturnType<Transport['upgrade']> {
    const { transport, signed } = await this.#sign(ctx, request);
    const result = await transport.upgrade(ctx, signed);
    if (result.kind === 'refused' && result.response.status === 401) this.#source.refused();
    return result;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#inner?.transport.close();
  }

  async #sign(
    ctx: Context,
    request: HttpRequest,
  ): Promise<{ readonly transport: Transport; readonly signed: HttpRequest }> {
    if (this.#closed) throw httpErrors.error('TransportClosed', 'a request was sent on a closed transport');
    const credentials = await this.#source.current(ctx);
    return {
      transport: this.#transport(credentials),
      signed: { ...request, headers: { ...credentials.headers, ...request.headers } },
    };
  }

  #transport(credentials: Credentials): Transport {
    const { cert, key } = credentials;
    if (this.#inner !== undefined && this.#inner.cert === cert && this.#inner.key === key) return this.#inner.transport;
    const old = this.#inner;
    this.#inner = { cert, key, transport: this.#make(tlsOf(credentials)) };
    void old?.transport.close();
    return this.#inner.transport;
  }
}

function tlsOf(credentials: Credentials): ClientTls {
  const { cert, key } = credentials;
  return cert === undefined ? {} : { cert, key };
}

function serverUrl(server: string, cluster: string): string {
  if (server === '') throw clientErrors.error('KubeconfigInvalid', `cluster ${JSON.stringify(cluster)} has no server`);
  // A server without a scheme is http to client-go; the TLS that its user meant would be lost in silence.
  const url = URL.parse(server);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw clientErrors.error(
      'KubeconfigInvalid',
      `cluster ${JSON.stringify(cluster)}: server ${JSON.stringify(server)} is not an https:// or http:// URL`,
    );
  }
  return server;
}

async function caOf(context: KubeContext): Promise<string | undefined> {
  const { 'certificate-authority-data': data = '', 'certificate-authority': file = '' } = context.cluster.fields;
  if (data !== '') return Buffer.from(data, 'base64').toString('utf8');
  if (file === '') return undefined;
  return readFile(file, 'utf8').catch((cause: unknown) => {
    const { code = 'unreadable' } = cause as NodeJS.ErrnoException;
    throw clientErrors.error(
      'KubeconfigUnreadable',
      `cluster ${JSON.stringify(context.cluster.name)}: certificate-authority ${file}: ${code}`,
      { cause },
    );
  });
}
