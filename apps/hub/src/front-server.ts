/** The listening socket of the front, with a certificate of the hub's own CA. */
import type { Context } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import { serve, type RunningServer, type ServerTls } from '@polyanthus/ground-http/node-server';
import { loadAuthority, type AuthorityFiles } from '@polyanthus/ground-pki/authority';
import { generateKey } from '@polyanthus/ground-pki/keys';
import { renderStatus } from '@polyanthus/engine-gateway/answers';
import type { UserCas } from './cluster-users.ts';
import type { Front } from './front.ts';
import { keepIssued, type IssuedCertificate } from './issued-certificate.ts';

/** Where the front listens, and who it says it is. */
export interface FrontServerOptions {
  readonly listen: { readonly host: string; readonly port: number };
  /** Names and addresses by which agents and users reach it, beside localhost. */
  readonly hostNames: readonly string[];
  readonly authority: AuthorityFiles;
  /** The CAs whose client certificates are asked for. */
  readonly callerCas: UserCas;
}

const certificateTtlMs = 365 * 86_400_000;

/** Starts it; its certificate is renewed, and its CAs are followed, while it runs. Throws ListenFailed. */
export async function serveFront(
  ctx: Context,
  options: FrontServerOptions,
  front: Pick<Front, 'handler' | 'onFault'>,
): Promise<RunningServer> {
  const issue = (): Promise<IssuedCertificate> => certificateFor(ctx, options);
  let issued = await issue();
  const tls = (): ServerTls => ({ ...issued, clientCas: options.callerCas.pems() });
  const server = await serve(ctx, {
    handler: front.handler,
    onFault: front.onFault,
    listen: options.listen,
    tls: tls(),
    renderError: renderStatus,
  });
  options.callerCas.onChange(() => server.setTls(tls()));
  void keepIssued(ctx, issued, issue, (successor) => {
    issued = successor;
    server.setTls(tls());
  });
  return server;
}

async function certificateFor(ctx: Context, options: FrontServerOptions): Promise<IssuedCertificate> {
  const key = await generateKey();
  const isAddress = (name: string): boolean => /^[\d.]+$|:/.test(name);
  const cert = await loadAuthority(options.authority, systemRandom).issueServer(ctx.clock.now(), {
    names: ['localhost', ...options.hostNames.filter((name) => !isAddress(name))],
    ips: ['127.0.0.1', '::1', ...options.hostNames.filter(isAddress)],
    publicKeyPem: key.publicKeyPem,
    ttlMs: certificateTtlMs,
  });
  return { cert, key: key.privateKeyPem };
}

/** `https://HOST:PORT` as others may use it: the first host name, else the address listened on. */
export function frontUrl(options: Pick<FrontServerOptions, 'listen' | 'hostNames'>, port: number): string {
  const [first] = options.hostNames;
  const { host: listened } = options.listen;
  const host = first ?? (listened === '0.0.0.0' || listened === '::' ? '127.0.0.1' : listened);
  return `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
