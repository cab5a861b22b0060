/** `polyanthus login`: remembers a hub and how to sign in, in a kubeconfig of its own. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from '@polyanthus/ground-cli-kit/command';
import { cliErrors } from '@polyanthus/ground-cli-kit/errors';
import { argument, text, texts } from '@polyanthus/ground-cli-kit/input';
import { contextOf, loadKubeconfig } from '@polyanthus/kube-client/kubeconfig';
import { writeKubeconfigContext } from '@polyanthus/kube-client/kubeconfig-write';
import type { UserFields } from '@polyanthus/kube-client/kubeconfig-entries';
import { createClient } from '@polyanthus/kube-client/rest';
import { transportFor } from '@polyanthus/kube-client/transport-of';
import { resourceType } from '@polyanthus/kube-objects/resource';
import { defaultHubKubeconfig } from './hub-access.ts';
import { oidcLoginOptions, oidcUser, printToken } from './login-oidc.ts';

const selfSubjectReviews = resourceType(
  'authentication.k8s.io',
  'v1',
  'selfsubjectreviews',
  'SelfSubjectReview',
  false,
);

/** Writes the context, then asks the hub who that is; a wrong credential is told at once. */
export const login: Command = {
  summary: 'Remember a hub and how to sign in to it',
  description:
    'Writes a kubeconfig that every fleet command reads by default. With --oidc-issuer-url it signs in at an OpenID Connect issuer and leaves a credential plugin in it, `polyanthus login token`, which renews the sign-in by itself.',
  args: [{ name: 'URL', help: 'address of the hub: https://hub.example.org:8443' }],
  options: [
    {
      name: 'ca-file',
      kind: 'string',
      value: 'FILE',
      help: "the hub's CA; without it the machine's own CAs are trusted",
    },
    {
      name: 'token-file',
      kind: 'string',
      value: 'FILE',
      help: 'file with a bearer token; it is read anew when it changes',
    },
    { name: 'client-certificate', kind: 'string', value: 'FILE', help: 'client certificate' },
    { name: 'client-key', kind: 'string', value: 'FILE', help: 'its key' },
    { name: 'exec-command', kind: 'string', value: 'COMMAND', help: 'credential plugin, as kubectl runs it' },
    { name: 'exec-arg', kind: 'string', value: 'ARG', repeat: true, help: 'argument of the plugin' },
    ...oidcLoginOptions,
    { name: 'hub-kubeconfig', kind: 'string', value: 'FILE', env: 'POLYANTHUS_KUBECONFIG', help: 'where to write' },
    { name: 'name', kind: 'string', value: 'NAME', default: 'hub', help: 'name of the context' },
  ],
  examples: [
    'polyanthus login https://hub.example.org:8443 --ca-file=ca.pem --token-file=token',
    'polyanthus login https://hub.example.org:8443 --ca-file=ca.pem --oidc-issuer-url=https://id.example.org --oidc-client-id=polyanthus',
  ],
  run: async (ctx, input, environment) => {
    const { io, env } = environment;
    const url = argument(input, 0);
    if (url === 'token') return printToken(ctx, input, environment);
    if (!URL.canParse(url) || new URL(url).protocol !== 'https:')
      throw cliErrors.error('UsageError', `login: ${JSON.stringify(url)} is not an https:// URL`);
    const file = resolve(text(input, 'hub-kubeconfig') ?? defaultHubKubeconfig(env));
    const name = text(input, 'name') ?? 'hub';
    const caFile = text(input, 'ca-file');
    const ca =
      caFile === undefined ? {} : { 'certificate-authority-data': (await readFile(caFile)).toString('base64') };
    const issuer = text(input, 'oidc-issuer-url');
    const fields =
      issuer === undefined
        ? userFields(input)
        : await oidcUser(ctx, input, environment, { kubeconfig: file, context: name });
    await writeKubeconfigContext(file, {
      name,
      cluster: { name, fields: { server: url.replace(/\/+$/, ''), ...ca } },
      user: { name, fields },
      setCurrent: true,
    });
    const context = contextOf(await loadKubeconfig({ files: [file], explicit: true }), name);
    const client = createClient(await transportFor(ctx, context, { env, pluginStderr: 'inherit' }), {
      retryAfter: { attempts: 1, waitMaxMs: 0 },
    });
    const who = (await client.create(ctx, selfSubjectReviews, {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'SelfSubjectReview',
      metadata: {},
    })) as unknown as { readonly status: { readonly userInfo: { readonly username: string } } };
    io.err(`signed in to ${url} as ${who.status.userInfo.username}; written to ${file}\n`);
    return 0;
  },
};

function userFields(input: Parameters<Command['run']>[1]): UserFields {
  const tokenFile = text(input, 'token-file');
  const certificate = text(input, 'client-certificate');
  const key = text(input, 'client-key');
  const command = text(input, 'exec-command');
  // Absolute: the kubeconfig would look for a relative one beside itself.
  if (tokenFile !== undefined) return { tokenFile: resolve(tokenFile) };
  if (certificate !== undefined && key !== undefined)
    return { 'client-certificate': resolve(certificate), 'client-key': resolve(key) };
  if (command !== undefined)
    return {
      exec: {
        apiVersion: 'client.authentication.k8s.io/v1',
        command,
        args: texts(input, 'exec-arg'),
        interactiveMode: 'IfAvailable',
      },
    };
  throw cliErrors.error(
    'UsageError',
    'login: give one of --token-file, --client-certificate with --client-key, --oidc-issuer-url, and --exec-command',
  );
}
