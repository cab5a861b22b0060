/** The part of `polyanthus login` that signs in at an OpenID Connect issuer, and the credential plugin that it leaves. */
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Context } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import type { CommandEnvironment, CommandInput, OptionSpec } from '@polyanthus/ground-cli-kit/command';
import { cliErrors } from '@polyanthus/ground-cli-kit/errors';
import { requiredText, text } from '@polyanthus/ground-cli-kit/input';
import type { UserFields } from '@polyanthus/kube-client/kubeconfig-entries';
import { discoverIssuer, type OidcClient } from '../src/oidc-issuer.ts';
import { loginByBrowser, loginByDevice } from '../src/oidc-login.ts';
import { currentToken, expiryMs, sessionFile, writeSession } from '../src/oidc-session.ts';

const apiVersion = 'client.authentication.k8s.io/v1';

/** Options of `login` for it; names as of the hub's own options. */
export const oidcLoginOptions: readonly OptionSpec[] = [
  { name: 'oidc-issuer-url', kind: 'string', value: 'URL', help: 'sign in at this OpenID Connect issuer' },
  { name: 'oidc-client-id', kind: 'string', value: 'ID', help: 'client id of the hub at the issuer' },
  {
    name: 'oidc-client-secret-file',
    kind: 'string',
    value: 'FILE',
    help: 'file with the secret of the client, where the issuer wants one',
  },
  { name: 'oidc-ca-file', kind: 'string', value: 'FILE', help: "the issuer's CA; the default is the machine's" },
  {
    name: 'oidc-flow',
    kind: 'string',
    choices: ['device', 'browser'],
    default: 'device',
    help: 'enter a code on any device, or open a page in a browser of this machine',
  },
  {
    name: 'oidc-scope',
    kind: 'string',
    value: 'SCOPES',
    default: 'openid email profile groups offline_access',
    help: 'what to ask for; offline_access lets the sign-in be renewed',
  },
  { name: 'session-file', kind: 'string', value: 'FILE', help: 'for `login token`: the session to read' },
];

/** Signs in, keeps the session beside the kubeconfig, and gives the plugin that reads it. */
export async function oidcUser(
  ctx: Context,
  input: CommandInput,
  environment: CommandEnvironment,
  at: { readonly kubeconfig: string; readonly context: string },
): Promise<UserFields> {
  const client = await clientOf(input);
  const endpoints = await discoverIssuer(ctx, client);
  const tell = (words: string): void => environment.io.err(words);
  const login = { client, endpoints, scope: requiredText(input, 'oidc-scope'), random: systemRandom, tell };
  const tokens = await (text(input, 'oidc-flow') === 'browser' ? loginByBrowser : loginByDevice)(ctx, login);
  const file = sessionFile(dirname(at.kubeconfig), at.kubeconfig, at.context);
  await writeSession(file, { client, tokens });
  const [command = 'polyanthus', ...args] = environment.self ?? [];
  const plugin = [...args, 'login', 'token', `--session-file=${file}`];
  return { exec: { apiVersion, command, args: plugin, interactiveMode: 'Never' } };
}

async function clientOf(input: CommandInput): Promise<OidcClient> {
  const issuer = requiredText(input, 'oidc-issuer-url');
  const clientId = text(input, 'oidc-client-id');
  if (!URL.canParse(issuer) || new URL(issuer).protocol !== 'https:')
    throw cliErrors.error('UsageError', `login: --oidc-issuer-url ${JSON.stringify(issuer)} is not an https:// URL`);
  if (clientId === undefined) throw cliErrors.error('UsageError', 'login: --oidc-issuer-url needs --oidc-client-id');
  const caFile = text(input, 'oidc-ca-file');
  const secretFile = text(input, 'oidc-client-secret-file');
  return {
    issuer,
    clientId,
    caPem: caFile === undefined ? '' : await readFile(caFile, 'utf8'),
    ...(secretFile === undefined ? {} : { clientSecret: (await readFile(secretFile, 'utf8')).trim() }),
  };
}

/** `polyanthus login token`: what kubectl and we run for a token. */
export async function printToken(ctx: Context, input: CommandInput, { io }: CommandEnvironment): Promise<number> {
  const file = text(input, 'session-file');
  if (file === undefined) throw cliErrors.error('UsageError', 'login token: --session-file is missing');
  const token = await currentToken(ctx, file);
  const status = { token, expirationTimestamp: new Date(expiryMs(token)).toISOString() };
  io.out(`${JSON.stringify({ apiVersion, kind: 'ExecCredential', status })}\n`);
  return 0;
}
