/** Who a client is: headers and client certificate, renewed as files change and plugins expire. */
import { readFile } from 'node:fs/promises';
import type { Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import { toHeaderText } from '@polyanthus/ground-http/headers';
import type { HeaderValues } from '@polyanthus/ground-http/message';
import { clientErrors } from './errors.ts';
import { checkExec, runExecPlugin, type ExecCredential, type ExecEnvironment } from './exec-credential.ts';
import type { KubeContext } from './kubeconfig.ts';
import type { UserFields } from './kubeconfig-entries.ts';

/** Credentials at one moment; all of it secret but for impersonation. */
export interface Credentials {
  readonly headers: HeaderValues;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** Gives the credentials for the next request. */
export interface CredentialSource {
  current(ctx: Context): Promise<Credentials>;
  /** The server answered 401: what a plugin gave is asked for anew next time. */
  refused(): void;
}

/** How long a file's content is used before it is read again (client-go: one minute; kubelets renew at 80 %). */
const fileMaxAgeMs = 10_000;

/**
 * The source for a context's user; `caPem` is told to plugins. Throws KubeconfigInvalid or CredentialUnsupported at
 * once when the entry cannot work.
 */
export function credentialSource(
  context: KubeContext,
  caPem: string | undefined,
  environment: ExecEnvironment,
): CredentialSource {
  const { fields, name } = context.user;
  checkUser(fields, name);
  const impersonation = impersonationHeaders(fields, name);
  const token = fields.tokenFile === undefined ? undefined : fileReader(fields.tokenFile);
  const cert = pemReader(fields['client-certificate-data'], fields['client-certificate']);
  const key = pemReader(fields['client-key-data'], fields['client-key']);
  const plugin =
    fields.exec === undefined
      ? undefined
      : new Plugin((ctx) =>
          runExecPlugin(ctx, fields.exec ?? {}, { user: name, cluster: context.cluster, caPem }, environment),
        );
  return {
    current: async (ctx) => {
      const given = await plugin?.current(ctx);
      const bearer = given?.token ?? (token === undefined ? fields.token : await tokenOf(ctx, token, fields.token));
      return {
        headers: { ...authorization(fields, bearer), ...impersonation },
        cert: given?.certificatePem ?? (await cert(ctx)),
        key: given?.keyPem ?? (await key(ctx)),
      };
    },
    refused: () => plugin?.forget(),
  };
}

/** The impersonation headers of a user entry; extra keys are escaped as client-go does. */
export function impersonationHeaders(fields: UserFields, name: string): Record<string, string | readonly string[]> {
  const { as = '', 'as-uid': uid = '', 'as-groups': groups = [], 'as-user-extra': extra = {} } = fields;
  if (as === '' && (uid !== '' || groups.length > 0 || Object.keys(extra).length > 0)) {
    throw clientErrors.error(
      'KubeconfigInvalid',
      `user ${JSON.stringify(name)}: as-uid, as-groups and as-user-extra need \`as\``,
    );
  }
  const headers: Record<string, string | readonly string[]> = {};
  if (as !== '') headers['impersonate-user'] = toHeaderText(as);
  if (uid !== '') headers['impersonate-uid'] = uid;
  if (groups.length > 0) headers['impersonate-group'] = groups.map(toHeaderText);
  for (const [key, values] of Object.entries(extra))
    headers[`impersonate-extra-${escapeHeaderName(key)}`] = values.map(toHeaderText);
  return headers;
}

function checkUser(fields: UserFields, name: string): void {
  const of = `user ${JSON.stringify(name)}`;
  const provider = fields['auth-provider'];
  if (provider !== undefined) {
    throw clientErrors.error(
      'CredentialUnsupported',
      `${of}: auth-provider ${JSON.stringify(provider.name ?? '')} was removed from Kubernetes and is not supported`,
      {
        next: providerNext[provider.name ?? ''] ?? 'Replace it by an exec plugin of the provider.',
      },
    );
  }
  const basic = (fields.username ?? '') !== '' || (fields.password ?? '') !== '';
  if (basic && (fields.token ?? '') !== '')
    throw clientErrors.error('KubeconfigInvalid', `${of}: token and username/password exclude each other`);
  const hasCert = (fields['client-certificate'] ?? fields['client-certificate-data'] ?? '') !== '';
  const hasKey = (fields['client-key'] ?? fields['client-key-data'] ?? '') !== '';
  if (hasCert && !hasKey)
    throw clientErrors.error('KubeconfigInvalid', `${of}: client-certificate needs client-key or client-key-data`);
  if (fields.exec !== undefined) checkExec(fields.exec, name);
}

const providerNext: Readonly<Record<string, string>> = {
  gcp: 'Install gke-gcloud-auth-plugin and write the entry anew: gcloud container clusters get-credentials.',
  azure: 'Convert the kubeconfig: kubelogin convert-kubeconfig.',
  oidc: 'Use an exec plugin such as kubectl oidc-login.',
};

function authorization(fields: UserFields, bearer: string | undefined): Record<string, string> {
  if (bearer !== undefined && bearer !== '') return { authorization: `Bearer ${bearer}` };
  const { username = '', password = '' } = fields;
  if (username === '' && password === '') return {};
  return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` };
}

type Reader = (ctx: Context) => Promise<string | undefined>;

function pemReader(data: string | undefined, file: string | undefined): Reader {
  // Data goes before the file, as client-go says on the conflict.
  if (data !== undefined && data !== '') return () => Promise.resolve(Buffer.from(data, 'base64').toString('utf8'));
  return file === undefined || file === '' ? () => Promise.resolve(undefined) : fileReader(file);
}

/** Reads a file, and again when what it read has aged. */
export function fileReader(file: string): (ctx: Context) => Promise<string> {
  let held: { readonly text: string; readonly atMs: number } | undefined;
  return async (ctx) => {
    const nowMs = ctx.clock.monotonic();
    if (held !== undefined && nowMs - held.atMs < fileMaxAgeMs) return held.text;
    try {
      held = { text: await readFile(file, 'utf8'), atMs: nowMs };
    } catch (cause) {
      if (held === undefined)
        throw clientErrors.error(
          'KubeconfigUnreadable',
          `${file}: ${(cause as NodeJS.ErrnoException).code ?? 'it cannot be read'}`,
          { cause },
        );
      // Written anew at this moment, or gone: the last content may still be good, and the server decides.
      ctx.log.warn('a credential file cannot be read again', { file, error: cause });
    }
    return held.text;
  };
}

/** The file's token; the one in the kubeconfig when the file has never been readable (client-go's order). */
async function tokenOf(
  ctx: Context,
  file: (ctx: Context) => Promise<string>,
  fallback: string | undefined,
): Promise<string> {
  try {
    return (await file(ctx)).trim();
  } catch (error) {
    if (fallback === undefined || fallback === '') throw error;
    return fallback;
  }
}

/** One plugin's answer, kept until it expires; many requests at once ask once. */
class Plugin {
  readonly #run: (ctx: Context) => Promise<ExecCredential>;
  #held: ExecCredential | undefined;
  #running: Promise<ExecCredential> | undefined;

  constructor(run: (ctx: Context) => Promise<ExecCredential>) {
    this.#run = run;
  }

  async current(ctx: Context): Promise<ExecCredential> {
    const { expiresAtMs } = this.#held ?? {};
    if (this.#held !== undefined && (expiresAtMs === undefined || expiresAtMs > ctx.clock.now())) return this.#held;
    this.#running ??= this.#run(ctx).finally(() => (this.#running = undefined));
    try {
      return (this.#held = await this.#running);
    } catch (error) {
      // The run belonged to a request that was cancelled; this one was not.
      if (ctx.signal.aborted || !hasCode(error, 'Cancelled')) throw error;
      return this.current(ctx);
    }
  }

  forget(): void {
    this.#held = undefined;
  }
}

/** Percent-encodes what a header name cannot carry, and the percent sign; lower case, as header names are. */
function escapeHeaderName(key: string): string {
  let out = '';
  for (const byte of Buffer.from(key.toLowerCase())) {
    const char = String.fromCharCode(byte);
    out +=
      byte < 0x80 && char !== '%' && /[!#$&'*+\-.^_`|~0-9a-z]/.test(char)
        ? char
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
}
