/** Sign-in by an OpenID Connect issuer, with kube-apiserver's options and defaults (its --oidc-* flags). */
import { readFile } from 'node:fs/promises';
import type { Context } from '@polyanthus/ground-base/context';
import type { CommandInput, OptionSpec } from '@polyanthus/ground-cli-kit/command';
import { text } from '@polyanthus/ground-cli-kit/input';
import { readBody } from '@polyanthus/ground-http/body';
import { createTransport } from '@polyanthus/ground-http/node-client';
import { unauthorized, type Authenticator } from '@polyanthus/kube-access/authenticators';
import { oidcAuthenticator } from '@polyanthus/kube-access/oidc';
import { hubErrors } from './errors.ts';

/** One issuer, as plain data for the API worker. */
export interface OidcSettings {
  readonly issuer: string;
  readonly clientId: string;
  readonly usernameClaim: string;
  readonly usernamePrefix: string;
  readonly groupsClaim: string;
  readonly groupsPrefix: string;
  /** PEM; empty for the machine's own CAs. */
  readonly caPem: string;
}

/** Options of `polyanthus up`. */
export const oidcOptions: readonly OptionSpec[] = [
  { name: 'oidc-issuer-url', kind: 'string', value: 'URL', help: 'let users of this OpenID Connect issuer sign in' },
  { name: 'oidc-client-id', kind: 'string', value: 'ID', help: 'audience that their tokens must have' },
  { name: 'oidc-username-claim', kind: 'string', value: 'CLAIM', default: 'sub', help: 'claim that names the user' },
  {
    name: 'oidc-username-prefix',
    kind: 'string',
    value: 'TEXT',
    help: 'put before the name; "-" for nothing; the default is ISSUER# for other claims than email',
  },
  { name: 'oidc-groups-claim', kind: 'string', value: 'CLAIM', default: 'groups', help: 'claim that lists the groups' },
  { name: 'oidc-groups-prefix', kind: 'string', value: 'TEXT', default: '', help: 'put before each group' },
  { name: 'oidc-ca-file', kind: 'string', value: 'FILE', help: "the issuer's CA; the default is the machine's" },
];

/** Administrators and agents: no issuer may speak for them, whatever prefixes it has. */
const ownPrefix = 'polyanthus:';
const documentBytesMax = 1024 * 1024;

/** The issuer that the options name, if any. Throws OidcUnusable. */
export async function oidcSettings(input: CommandInput): Promise<OidcSettings | undefined> {
  const issuer = text(input, 'oidc-issuer-url');
  if (issuer === undefined) return undefined;
  const clientId = text(input, 'oidc-client-id');
  if (!URL.canParse(issuer) || new URL(issuer).protocol !== 'https:')
    throw hubErrors.error('OidcUnusable', `--oidc-issuer-url ${JSON.stringify(issuer)} is not an https URL`);
  if (clientId === undefined) throw hubErrors.error('OidcUnusable', '--oidc-issuer-url needs --oidc-client-id');
  const usernameClaim = text(input, 'oidc-username-claim') ?? 'sub';
  const prefix = text(input, 'oidc-username-prefix') ?? (usernameClaim === 'email' ? '-' : `${issuer}#`);
  const caFile = text(input, 'oidc-ca-file');
  return {
    issuer,
    clientId,
    usernameClaim,
    usernamePrefix: prefix === '-' ? '' : prefix,
    groupsClaim: text(input, 'oidc-groups-claim') ?? 'groups',
    groupsPrefix: text(input, 'oidc-groups-prefix') ?? '',
    caPem: caFile === undefined ? '' : await readFile(caFile, 'utf8'),
  };
}

/** The authenticator of an issuer's tokens. */
export function oidcUsers(settings: OidcSettings): Authenticator {
  const tls = settings.caPem === '' ? {} : { ca: settings.caPem };
  const fetchJson = async (ctx: Context, url: string): Promise<unknown> => {
    const { origin, pathname, search } = new URL(url);
    const headers = { accept: 'application/json' };
    const transport = createTransport({ baseUrl: origin, tls });
    try {
      const response = await transport.request(ctx, { method: 'GET', url: pathname + search, headers, body: null });
      const body = Buffer.from(await readBody(response.body, documentBytesMax)).toString('utf8');
      if (response.status !== 200) throw hubErrors.error('OidcUnusable', `${url} answered ${response.status}`);
      return JSON.parse(body) as unknown;
    } finally {
      await transport.close();
    }
  };
  const authenticate = oidcAuthenticator({ ...settings, fetchJson });
  return async (ctx, request) => {
    const user = await authenticate(ctx, request);
    const own = [user?.username ?? '', ...(user?.groups ?? [])].find((name) => name.startsWith(ownPrefix));
    if (own !== undefined) throw unauthorized(new Error(`the token claims the hub's own name ${JSON.stringify(own)}`));
    return user;
  };
}
