/** Credential plugins: client.authentication.k8s.io/v1 and v1beta1 (client-go plugin/pkg/client/auth/exec). */
import type { Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import { runProgram } from '@polyanthus/ground-process/run';
import type { YamlValue } from '@polyanthus/ground-yaml/value';
import { clientErrors } from './errors.ts';
import type { ClusterFields, Entry, ExecFields } from './kubeconfig-entries.ts';

/** What a plugin gave; all of it secret. */
export interface ExecCredential {
  readonly token?: string;
  readonly certificatePem?: string;
  readonly keyPem?: string;
  /** Milliseconds since the epoch; undefined: good until refused. */
  readonly expiresAtMs: number | undefined;
}

/** What the plugin gets from this program. */
export interface ExecEnvironment {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether stdin is a terminal that the plugin may ask on. */
  readonly terminal: boolean;
  /** `inherit`: its words go to our stderr (a CLI); `pipe`: their end goes into the error (a server). */
  readonly stderr: 'inherit' | 'pipe';
}

const versions: ReadonlySet<string> = new Set([
  'client.authentication.k8s.io/v1',
  'client.authentication.k8s.io/v1beta1',
]);
/** A person may have to log in with a browser meanwhile. */
const pluginTimeoutMs = 5 * 60_000;
const configExtension = 'client.authentication.k8s.io/exec';

/** Checks what can be checked without running it. Throws CredentialUnsupported (v1alpha1) or KubeconfigInvalid. */
export function checkExec(exec: ExecFields, user: string): void {
  const of = `user ${JSON.stringify(user)}: exec`;
  const { apiVersion = '', command = '', interactiveMode = '' } = exec;
  if (command === '') throw clientErrors.error('KubeconfigInvalid', `${of}.command is missing`);
  if (!versions.has(apiVersion)) {
    throw clientErrors.error(
      'CredentialUnsupported',
      `${of}.apiVersion ${JSON.stringify(apiVersion)} is not supported; it must be client.authentication.k8s.io/v1 or v1beta1`,
      {
        next: `Update ${command} and write its entry of the kubeconfig anew.`,
      },
    );
  }
  if (interactiveMode === '' && apiVersion.endsWith('/v1'))
    throw clientErrors.error('KubeconfigInvalid', `${of}.interactiveMode must be set with ${apiVersion}`);
  if (!['', 'Never', 'IfAvailable', 'Always'].includes(interactiveMode))
    throw clientErrors.error(
      'KubeconfigInvalid',
      `${of}.interactiveMode ${JSON.stringify(interactiveMode)} is not Never, IfAvailable or Always`,
    );
}

/** Runs the plugin once. `cluster` goes to it only when it asks for it; `caPem` is the CA that the client uses. */
export async function runExecPlugin(
  ctx: Context,
  exec: ExecFields,
  about: { readonly user: string; readonly cluster: Entry<ClusterFields>; readonly caPem: string | undefined },
  environment: ExecEnvironment,
): Promise<ExecCredential> {
  checkExec(exec, about.user);
  const { command = '', apiVersion = '' } = exec;
  const interactive = isInteractive(exec, about.user, environment.terminal);
  const spec = {
    ...(exec.provideClusterInfo === true ? { cluster: clusterInfo(about.cluster, about.caPem) } : {}),
    interactive,
  };
  const own = Object.fromEntries((exec.env ?? []).map(({ name, value }) => [name, value]));
  const env = {
    ...environment.env,
    ...own,
    KUBERNETES_EXEC_INFO: JSON.stringify({ kind: 'ExecCredential', apiVersion, spec }),
  };
  try {
    const result = await runProgram(ctx, {
      program: command,
      args: exec.args ?? [],
      env,
      timeoutMs: pluginTimeoutMs,
      outputBytesMax: 1024 * 1024,
      stderr: environment.stderr,
      stdin: interactive ? 'inherit' : 'pipe',
    });
    return readCredential(result.stdout.toString('utf8'), apiVersion);
  } catch (cause) {
    if (ctx.signal.aborted) throw cause;
    const hint =
      hasCode(cause, 'ProgramMissing') && exec.installHint !== undefined ? { next: printable(exec.installHint) } : {};
    throw clientErrors.error(
      'ExecPluginFailed',
      `user ${JSON.stringify(about.user)}: the credential plugin failed: ${(cause as Error).message}`,
      { cause, ...hint },
    );
  }
}

function isInteractive(exec: ExecFields, user: string, terminal: boolean): boolean {
  if (exec.interactiveMode === 'Always' && !terminal) {
    throw clientErrors.error(
      'ExecPluginFailed',
      `user ${JSON.stringify(user)}: the credential plugin must ask on a terminal (interactiveMode: Always), and stdin is none`,
    );
  }
  return exec.interactiveMode !== 'Never' && terminal;
}

function clusterInfo(cluster: Entry<ClusterFields>, caPem: string | undefined): Record<string, YamlValue> {
  const { fields } = cluster;
  const config = fields.extensions?.find((one) => one.name === configExtension)?.extension;
  return {
    server: fields.server ?? '',
    ...(fields['tls-server-name'] === undefined ? {} : { 'tls-server-name': fields['tls-server-name'] }),
    ...(fields['insecure-skip-tls-verify'] === true ? { 'insecure-skip-tls-verify': true } : {}),
    ...(caPem === undefined ? {} : { 'certificate-authority-data': Buffer.from(caPem).toString('base64') }),
    ...(fields['proxy-url'] === undefined ? {} : { 'proxy-url': fields['proxy-url'] }),
    ...(config === undefined ? {} : { config }),
  };
}

/** Messages never carry what the plugin printed: it may be a token. */
function readCredential(text: string, apiVersion: string): ExecCredential {
  const answer = parse(text);
  if (answer.kind !== 'ExecCredential' || answer.apiVersion !== apiVersion) {
    throw new Error(
      `it is configured for ${apiVersion} and answered ${JSON.stringify(answer.apiVersion ?? null)}, kind ${JSON.stringify(answer.kind ?? null)}`,
    );
  }
  const { token = '', clientCertificateData = '', clientKeyData = '', expirationTimestamp } = answer.status ?? {};
  if (token === '' && clientCertificateData === '' && clientKeyData === '')
    throw new Error('its answer has neither a token nor a certificate with its key');
  if ((clientCertificateData === '') !== (clientKeyData === ''))
    throw new Error('its answer has only one of certificate and key');
  const expiresAtMs = expirationTimestamp === undefined ? undefined : Date.parse(expirationTimestamp);
  if (Number.isNaN(expiresAtMs)) throw new Error('the expirationTimestamp of its answer is not a time');
  return {
    ...(token === '' ? {} : { token }),
    ...(clientCertificateData === '' ? {} : { certificatePem: clientCertificateData, keyPem: clientKeyData }),
    expiresAtMs,
  };
}

interface Answer {
  readonly kind?: string;
  readonly apiVersion?: string;
  readonly status?: {
    readonly token?: string;
    readonly clientCertificateData?: string;
    readonly clientKeyData?: string;
    readonly expirationTimestamp?: string;
  };
}

function parse(text: string): Answer {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error(`it wrote ${text.length} characters that are not JSON`);
  }
  if (typeof value !== 'object' || value === null) throw new Error('its answer is not an object');
  return value as Answer;
}

/** Hints come from files: no escape sequences to the terminal. */
function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e\n\u00a0-\uffff]/g, '');
}
