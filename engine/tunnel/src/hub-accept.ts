/** The hub's side of the first words: challenge, proof, verdict. */
import type { Duplex } from 'node:stream';
import type { Context } from '@polyanthus/ground-base/context';
import { CodedError } from '@polyanthus/ground-base/errors';
import { describeError } from '@polyanthus/ground-base/log';
import type { Random } from '@polyanthus/ground-base/random';
import type { Peer } from '@polyanthus/ground-http/message';
import { parseCertificate, verifyCertificate } from '@polyanthus/ground-pki/certificate';
import { signedBy } from './agent-key.ts';
import type { TunnelDirectory } from './directory.ts';
import type { EnrolledMember, EnrolmentStore } from './enrolment-store.ts';
import { tunnelErrors } from './errors.ts';
import { agreeVersion, asHello, readMessage, signedBytes, spokenVersions, writeMessage, type Hello } from './hello.ts';
import type { TunnelIdentity } from './hub-tunnel.ts';

/** What the hub checks an agent against. */
export interface AcceptOptions {
  /** What agents sign as the hub they mean: the hub's own URL or a uuid, fixed when it is installed. */
  readonly hubId: string;
  /** PEM of the CAs that issue agents' certificates, the old one too while it is being rotated. */
  readonly agentCaPems: readonly string[];
  readonly store: EnrolmentStore;
  readonly directory: TunnelDirectory;
  readonly random: Random;
  /** For tests of version negotiation. */
  readonly versions?: readonly number[];
}

/**
 * Speaks with a fresh agent. Resolves when the verdict is written, so that HTTP/2 may begin; a refusal is told to the
 * agent and thrown. Errors: TunnelRefused, TunnelProtocol.
 */
export async function acceptAgent(
  ctx: Context,
  connection: Duplex,
  peer: Peer,
  options: Omit<AcceptOptions, 'directory'> & { readonly directory: Pick<TunnelDirectory, 'claim'> },
): Promise<TunnelIdentity> {
  const versions = options.versions ?? spokenVersions;
  const nonce = Buffer.from(options.random.bytes(32)).toString('base64');
  await writeMessage(ctx, connection, { versions, nonce });
  const hello = asHello(await readMessage(ctx, connection));
  try {
    const version = agreeVersion(versions, hello.versions);
    if (version === undefined) {
      throw tunnelErrors.error(
        'TunnelProtocol',
        `the agent (${hello.agentVersion}) speaks tunnel versions ${hello.versions.join(', ')}, the hub ${versions.join(', ')}`,
      );
    }
    const keyHash = proveKey(ctx, hello, nonce, peer, options);
    const member = await memberFor(ctx, hello, keyHash, options.store);
    const epoch = await options.directory.claim(ctx, member.membershipUid);
    await writeMessage(ctx, connection, { accepted: true, version, membershipUid: member.membershipUid, epoch });
    const { instance, agentVersion } = hello;
    return {
      membershipUid: member.membershipUid,
      membership: `${member.fleet}/${member.name}`,
      keyHash,
      epoch,
      instance,
      agentVersion,
      version,
    };
  } catch (error) {
    const { code, message } =
      error instanceof CodedError ? error : tunnelErrors.error('TunnelRefused', 'the hub could not check the agent');
    await writeMessage(ctx, connection, { accepted: false, code, message }).catch(() => undefined);
    throw error;
  }
}

/** The hash of the key that signed this connection's nonce. */
function proveKey(
  ctx: Context,
  hello: Hello,
  hubNonce: string,
  peer: Peer,
  options: Omit<AcceptOptions, 'directory'>,
): string {
  const certificate = trusted(ctx, hello.certificatePem, options.agentCaPems);
  const bytes = signedBytes({ hubId: options.hubId, hubNonce, agentNonce: hello.nonce, instance: hello.instance });
  if (!signedBy(certificate.publicKey, bytes, hello.signature)) {
    throw tunnelErrors.error(
      'TunnelRefused',
      `the agent's signature does not fit this connection: another key, another hub than ${options.hubId}, or a replay`,
    );
  }
  const keyHash = parseCertificate(hello.certificatePem).publicKeyHash;
  if (peer.certificate !== undefined && parseCertificate(peer.certificate).publicKeyHash !== keyHash) {
    throw tunnelErrors.error('TunnelRefused', 'the agent showed one certificate in TLS and another in its hello');
  }
  return keyHash;
}

function trusted(ctx: Context, pem: string, caPems: readonly string[]): ReturnType<typeof verifyCertificate> {
  try {
    return verifyCertificate(pem, caPems, ctx.clock.now());
  } catch (cause) {
    throw tunnelErrors.error('TunnelRefused', `the agent's certificate is not good: ${describeError(cause)}`, {
      cause,
    });
  }
}

async function memberFor(ctx: Context, hello: Hello, keyHash: string, store: EnrolmentStore): Promise<EnrolledMember> {
  const member = await store.memberOfKey(ctx, keyHash);
  if (member === undefined)
    throw tunnelErrors.error(
      'TunnelRefused',
      "the agent's key belongs to no membership: it was replaced, or the membership was deleted",
    );
  const name = `${member.fleet}/${member.name}`;
  if (hello.membership !== '' && hello.membership !== name) {
    throw tunnelErrors.error(
      'TunnelRefused',
      `the agent says that it is ${hello.membership}, but its key is that of another membership`,
    );
  }
  return member;
}
