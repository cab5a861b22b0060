import { duplexPair, type Duplex } from 'node:stream';
import { background } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import { testCertificates } from '@polyanthus/ground-http/testing';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { signWith } from './agent-key.ts';
import { MemoryDirectory } from './directory.ts';
import {
  agreeVersion,
  asChallenge,
  asHello,
  asVerdict,
  readMessage,
  signedBytes,
  writeMessage,
  type Hello,
  type Verdict,
} from './hello.ts';
import { acceptAgent, type AcceptOptions } from './hub-accept.ts';
import { MemoryEnrolmentStore, testAgents, testMember } from './testing.ts';

const ctx = background();
const store = new MemoryEnrolmentStore();
store.keys.set(testAgents.first.keyHash, testMember);
const options: AcceptOptions = {
  hubId: 'hub',
  agentCaPems: [testCertificates.ca],
  store,
  directory: new MemoryDirectory().of('replica'),
  random: systemRandom,
};

/** Runs the hub's side against `agent`, which answers the nonce. */
async function greet(
  agent: (nonce: string) => Hello,
  peer: Parameters<typeof acceptAgent>[2] = { address: 'test' },
): Promise<Verdict> {
  const [ours, theirs] = duplexPair();
  const accepted = acceptAgent(ctx, theirs, peer, options).catch(() => undefined);
  const challenge = asChallenge(await readMessage(ctx, ours));
  await writeMessage(ctx, ours, agent(challenge.nonce));
  const verdict = asVerdict(await readMessage(ctx, ours));
  await accepted;
  return verdict;
}

function hello(hubNonce: string): Hello {
  const parts = { hubId: 'hub', hubNonce, agentNonce: 'n', instance: 'i' };
  return {
    versions: [1],
    agentVersion: '0.1.0',
    instance: 'i',
    membership: '',
    nonce: 'n',
    certificatePem: testAgents.first.certificatePem,
    signature: signWith(testAgents.first.privateKey, signedBytes(parts)),
  };
}

const der = (pem: string): Uint8Array => Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');

describe('the first words', () => {
  it('hold short names alone: they are logged, audited and kept in the Membership', () => {
    for (const name of ['agentVersion', 'instance', 'membership', 'nonce'] as const)
      expect(() => asHello({ ...hello('n'), [name]: 'x'.repeat(257) })).toThrow(
        expect.objectContaining({ code: 'TunnelProtocol' }),
      );
    expect(asHello({ ...hello('n'), agentVersion: 'x'.repeat(256) }).agentVersion).toHaveLength(256);
  });

  it('let the right agent in, by its nonce, and by its certificate too where TLS brings it', async () => {
    expect(await greet(hello)).toMatchObject({ accepted: true, membershipUid: 'uid-1', version: 1 });
    expect(await greet(hello, { address: 'test', certificate: der(testAgents.first.certificatePem) })).toMatchObject({
      accepted: true,
    });
  });

  it('refuse words that were said on another connection', async () => {
    let recorded: Hello | undefined;
    await greet((nonce) => (recorded = hello(nonce)));
    expect(await greet(() => recorded as Hello)).toMatchObject({
      accepted: false,
      message: expect.stringContaining('replay') as unknown,
    });
  });

  it('refuse an agent whose TLS certificate is another one', async () => {
    expect(await greet(hello, { address: 'test', certificate: der(testAgents.second.certificatePem) })).toMatchObject({
      accepted: false,
      code: 'TunnelRefused',
    });
  });

  it('refuse every signature that was changed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const verdict = await greet((nonce) => {
          const good = hello(nonce);
          const bytes = Buffer.from(good.signature, 'base64');
          bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ flip;
          return { ...good, signature: bytes.toString('base64') };
        });
        expect(verdict.accepted).toBe(false);
      }),
      { numRuns: 30 },
    );
  });

  it('end on anything that is no message', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        const [ours, theirs] = duplexPair();
        const read = readMessage(ctx, theirs as Duplex).then(asHello);
        ours.end(bytes);
        await expect(read).rejects.toMatchObject({ code: 'TunnelProtocol' });
      }),
      { numRuns: 100 },
    );
  });

  it('agree on the highest common version', () => {
    expect(agreeVersion([1, 2, 3], [2, 3, 4])).toBe(3);
    expect(agreeVersion([1], [2])).toBeUndefined();
  });
});
