/**
 * Many agents in one process: the tunnel code that the product's agent runs, each with a key and a certificate of its own
 * and a connection of its own. Their members answer in this process.
 *
 *   node bench/fleet/agents.ts HUB-URL CA-FILE MEMBERS-FILE
 *
 * MEMBERS-FILE is a JSON list of { name, token }. Prints `open N` when the number of open tunnels has changed.
 */
import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { background, sleep, type Context } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import { inProcessTransport } from '@polyanthus/ground-http/in-process';
import type { Handler } from '@polyanthus/ground-http/message';
import { createTransport } from '@polyanthus/ground-http/node-client';
import { createCsr } from '@polyanthus/ground-pki/authority';
import { generateKey } from '@polyanthus/ground-pki/keys';
import { runTunnelAgent } from '@polyanthus/engine-tunnel/agent';
import { enrolAgent } from '@polyanthus/engine-tunnel/enrolment';

const [hubUrl = '', caFile = '', membersFile = ''] = process.argv.slice(2);
const members = JSON.parse(readFileSync(membersFile, 'utf8')) as readonly { name: string; token: string }[];
const ctx = background();
const hub = createTransport({ baseUrl: hubUrl, tls: { ca: readFileSync(caFile, 'utf8') } });
const enrollersMax = 8;

const pods = Buffer.from(
  JSON.stringify({
    kind: 'PodList',
    items: Array.from({ length: 10 }, (_, index) => ({ metadata: { name: `pod-${index}` } })),
  }),
);
const event = Buffer.from(
  `${JSON.stringify({ type: 'MODIFIED', object: { kind: 'Pod', metadata: { name: 'pod-1' } } })}\n`,
);

async function* events(inner: Context): AsyncGenerator<Uint8Array> {
  for (;;) {
    yield event;
    await sleep(inner, 5_000);
  }
}

const member: Handler = async (inner, request) => ({
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: request.url.includes('watch=1') ? events(inner) : pods,
});

let open = 0;
let told = -1;
setInterval(() => {
  if (open === told) return;
  told = open;
  process.stdout.write(`open ${open}\n`);
}, 100);

async function join({ name, token }: { readonly name: string; readonly token: string }): Promise<void> {
  const keys = await generateKey();
  const csrPem = await createCsr(keys, 'agent');
  const { certificatePem, hubId } = await enrolAgent(ctx, hub, { token, externalId: name, csrPem });
  const privateKey = createPrivateKey(keys.privateKeyPem);
  void runTunnelAgent(ctx, {
    hub,
    hubId,
    membership: `default/${name}`,
    agentVersion: '0.1.0',
    credentials: async () => ({ privateKey, certificatePem }),
    member: inProcessTransport(member),
    random: systemRandom,
    onTunnel: (_tunnel, isOpen) => void (open += isOpen ? 1 : -1),
  });
}

const waiting = [...members];
await Promise.all(
  Array.from({ length: enrollersMax }, async () => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) await join(next);
  }),
);
process.stdout.write('joined\n');
