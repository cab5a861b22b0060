/** The agent's key and certificate in its state folder (mode 0600), and how it gets them: by token or ServiceAccount. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '@polyanthus/ground-base/context';
import { makeDirectory, writeDurably } from '@polyanthus/ground-files/durable';
import type { Transport } from '@polyanthus/ground-http/message';
import { createCsr } from '@polyanthus/ground-pki/authority';
import { parseCertificate } from '@polyanthus/ground-pki/certificate';
import { generateKey, type KeyPair } from '@polyanthus/ground-pki/keys';
import { enrolAgent } from '@polyanthus/engine-tunnel/enrolment';
import { agentErrors } from './errors.ts';

/** What is kept between starts. */
interface AgentState {
  readonly keys: KeyPair;
  readonly certificatePem?: string;
  readonly hubId?: string;
}

/** How to enrol. */
export interface EnrolmentSource {
  readonly tokenFile: string | undefined;
  readonly serviceAccountTokenFile: string | undefined;
  /** uid of the member's kube-system namespace. */
  readonly externalId: string;
  /** Needed for the ServiceAccount way. */
  readonly membershipUid: string | undefined;
}

/** The agent's identity as the tunnel asks for it. */
export interface AgentIdentity {
  readonly hubId: string;
  /**
   * Enrols again when the certificate ends within `beforeMs`. Before its end only a ServiceAccount can: a one-time token is
   * used up. Errors: AgentNotEnrolled, those of enrolment.
   */
  readonly keepFresh: (ctx: Context, beforeMs: number) => Promise<void>;
  /** Enrols again for a hub that no longer knows the key (it was restored, say), where a ServiceAccount can. */
  readonly refused: (ctx: Context) => Promise<void>;
  readonly credentials: () => Promise<{ readonly privateKey: KeyObject; readonly certificatePem: string }>;
  readonly csr: () => Promise<string>;
  readonly store: (certificatePem: string) => Promise<void>;
  /** PEM of key and certificate, for TLS to the hub's API. */
  readonly tls: () => { readonly cert: string; readonly key: string };
}

/** Two agents of one cluster that take the tunnel's key from each other do so no more often than this. */
const enrolAgainMs = 5 * 60_000;

/** Reads the state, enrols when there is no certificate or it has expired. Errors: AgentNotEnrolled, those of enrolment. */
export async function openIdentity(
  ctx: Context,
  stateDir: string,
  hub: Transport,
  source: EnrolmentSource,
): Promise<AgentIdentity> {
  await makeDirectory(stateDir);
  const file = join(stateDir, 'identity.json');
  let state = await readState(file);
  const save = async (next: AgentState): Promise<void> => {
    state = next;
    await writeDurably(file, `${JSON.stringify(next)}\n`);
  };
  // The key is on disk before the hub hears of it: a lost answer is asked for again with the same key.
  if (!existsSync(file)) await save(state);
  let enrolledMs = Number.NEGATIVE_INFINITY;
  const enrol = async (inner: Context): Promise<void> => {
    enrolledMs = inner.clock.monotonic();
    const enrolment = await enrolAgent(inner, hub, {
      ...(await proof(source, lackOf(state, inner.clock.now()))),
      externalId: source.externalId,
      csrPem: await createCsr(state.keys, 'agent'),
    });
    await save({ ...state, certificatePem: enrolment.certificatePem, hubId: enrolment.hubId });
    inner.log.info('enrolled at the hub', { membership: enrolment.membership });
  };
  const keepFresh: AgentIdentity['keepFresh'] = async (inner, beforeMs) => {
    const { certificatePem } = state;
    const marginMs = source.serviceAccountTokenFile === undefined ? 0 : beforeMs;
    if (certificatePem !== undefined && parseCertificate(certificatePem).notAfterMs - marginMs > inner.clock.now())
      return;
    await enrol(inner);
  };
  await keepFresh(ctx, 0);
  return {
    hubId: state.hubId ?? '',
    keepFresh,
    refused: async (inner) => {
      const again =
        source.serviceAccountTokenFile !== undefined && inner.clock.monotonic() - enrolledMs >= enrolAgainMs;
      if (again) await enrol(inner);
    },
    credentials: () =>
      Promise.resolve({
        privateKey: createPrivateKey(state.keys.privateKeyPem),
        certificatePem: state.certificatePem ?? '',
      }),
    csr: () => createCsr(state.keys, 'agent'),
    store: (certificatePem) => save({ ...state, certificatePem }),
    tls: () => ({ cert: state.certificatePem ?? '', key: state.keys.privateKeyPem }),
  };
}

/** What is the matter with the certificate. Its end and the time here: either may be wrong. */
function lackOf(state: AgentState, nowMs: number): string {
  if (state.certificatePem === undefined) return 'the agent has no certificate in its state folder';
  const notAfter = new Date(parseCertificate(state.certificatePem).notAfterMs).toISOString();
  return `the agent's certificate expired at ${notAfter}, and here it is ${new Date(nowMs).toISOString()}`;
}

/** The text of a file that an option names. Throws AgentFileUnreadable. */
export async function readNamed(option: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw agentErrors.error('AgentFileUnreadable', `${option} ${file} cannot be read`, { cause });
  }
}

async function proof(
  source: EnrolmentSource,
  lack: string,
): Promise<{ readonly token: string } | { readonly serviceAccountToken: string; readonly membershipUid: string }> {
  if (source.serviceAccountTokenFile !== undefined && source.membershipUid !== undefined) {
    return {
      serviceAccountToken: (await readNamed('--service-account-token-file', source.serviceAccountTokenFile)).trim(),
      membershipUid: source.membershipUid,
    };
  }
  if (source.tokenFile === undefined) throw agentErrors.error('AgentNotEnrolled', `${lack}, and no token was given`);
  return { token: (await readNamed('--token-file', source.tokenFile)).trim() };
}

async function readState(file: string): Promise<AgentState> {
  if (!existsSync(file)) return { keys: await generateKey() };
  try {
    const state = JSON.parse(await readFile(file, 'utf8')) as AgentState;
    createPrivateKey(state.keys.privateKeyPem);
    return state;
  } catch (cause) {
    throw agentErrors.error('AgentStateUnreadable', `${file} cannot be used`, { cause });
  }
}
