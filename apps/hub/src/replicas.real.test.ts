/** Three hub replicas on a real kube-apiserver: what callers see when one is killed, when one stops, when the agent dies. */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { Agent, request } from 'node:https';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { background } from '@polyanthus/ground-base/context';
import { createTransport } from '@polyanthus/ground-http/node-client';
import { gatewayPath } from '@polyanthus/domains-fleet/membership-names';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { createClient } from '@polyanthus/kube-client/rest';
import { configMaps, leases, namespaces } from '@polyanthus/kube-kinds/core';
import { membershipManifests } from '@polyanthus/kube-kinds/own/fleet';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { whyNotReal } from '../../../lab/src/parts.ts';
import { aliceToken, eventually, hubSystem, ReplicaFleet } from './e2e/replica-fleet.ts';
import { get, summary, Traffic, WatchedEvents, type Caller } from './e2e/traffic.ts';

const why = whyNotReal(['etcd', '3.7.0'], ['kube-apiserver', '1.37.2'], ['kube-apiserver', '1.36.3']);
const ctx = background();
const member = gatewayPath('default', 'member-1');
const probePath = `${member}/api/v1/namespaces/default/configmaps/probe`;
const listPath = `${member}/api/v1/namespaces/parts/configmaps`;
const bigPath = `${member}/api/v1/namespaces/big/configmaps`;
const probeText = randomBytes(2_000).toString('base64');
const partCount = 40;
const partBytes = 8_000;
const bigCount = 200;
const bigBytes = 1_000_000;

describe.skipIf(why !== undefined)(`three replicas of a hub${why === undefined ? '' : ` (${why})`}`, () => {
  let fleet: ReplicaFleet;
  let caller: Caller;
  const figures: string[] = [];
  const note = (what: string, value: string | number): void => void figures.push(`| ${what} | ${value} |`);
  const clientAt = (port: number): KubeClient => {
    const headers = { authorization: `Bearer ${aliceToken}` };
    const transport = createTransport({
      baseUrl: `https://127.0.0.1:${port}${member}`,
      tls: { ca: fleet.hubCaPem },
      headers: () => Promise.resolve(headers),
    });
    return createClient(transport);
  };
  const load = (): Traffic =>
    new Traffic(
      caller,
      [
        { path: probePath, whole: (body) => (JSON.parse(body) as { data: { text: string } }).data.text === probeText },
        { path: listPath, whole: (body) => (JSON.parse(body) as { items: unknown[] }).items.length === partCount },
      ],
      50,
    );

  /** Each replica asks who may for itself, and believes a no for two seconds: one that lets her in says nothing of the others. */
  const untilEveryReplicaAnswers = async (wanted: RegExp): Promise<void> => {
    const agent = new Agent();
    for (const { name, port } of fleet.replicas)
      await eventually(`${name} answers alice ${wanted}`, async () => {
        const seen = await get({ ...caller, port }, agent, probePath, () => true);
        const said = `${seen.kind} ${seen.detail}`;
        return wanted.test(said) ? true : Promise.reject(new Error(said));
      });
    agent.destroy();
  };

  beforeAll(async () => {
    fleet = await ReplicaFleet.start();
    caller = { port: fleet.balancer.port, caPem: fleet.hubCaPem, token: aliceToken };
    const direct = fleet.memberClient;
    for (const name of ['parts', 'big', 'killed', 'drained'])
      await direct.create(ctx, namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    const put = (namespace: string, name: string, text: string): Promise<unknown> =>
      direct.create(ctx, configMaps, {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name, namespace },
        data: { text },
      });
    await put('default', 'probe', probeText);
    for (let index = 0; index < partCount; index++) await put('parts', `part-${index}`, 'x'.repeat(partBytes));
    const text = 'y'.repeat(bigBytes);
    for (let index = 0; index < bigCount; index += 4)
      await Promise.all([0, 1, 2, 3].map((more) => put('big', `big-${index + more}`, text)));
    // Her rights travel from the binding to the hub's Role and the member's RoleBinding.
    await untilEveryReplicaAnswers(/^200 /);
  }, 300_000);
  afterAll(async () => {
    await fleet?.stop();
    note('load average of the machine, 1 minute, at the end', (loadavg()[0] ?? 0).toFixed(0));
    const table = ['| | |', '|---|---|', ...figures].join('\n');
    process.stdout.write(`\n${table}\n`);
    const file = process.env['POLYANTHUS_EVIDENCE'];
    const text = `# Three hub replicas on a real kube-apiserver\n\`POLYANTHUS_EVIDENCE=1 npx vitest run --config vitest.real.config.ts apps/hub/src/replicas.real.test.ts\`: hub on kube-apiserver 1.37.2 with\nthe rights of \`polyanthus hub manifests\`, member 1.36.3, agent and callers behind a TCP balancer, 50 requests a second\n(GET of 3 KB and list of 330 KB in turn) from node:https and one watch, all on one machine of two cores.\n\n${table}\n`;
    if (file !== undefined && figures.length > 0)
      await writeFile(join(import.meta.dirname, '../../../evidence/hub-replicas.md'), text);
  });

  it('are one hub: one identity, one leader, and every one of them reaches the member', async () => {
    const replicas = fleet.replicas.map((one) => `polyanthus-hub-${one.name}`);
    const names = await eventually('all have written their Leases', async () => {
      const { items } = await fleet.hubClient.list(ctx, leases, { namespace: hubSystem });
      return items.length > replicas.length ? new Set(items.map((one) => one.metadata.name)) : undefined;
    });
    expect(names).toEqual(new Set(['polyanthus-hub-controllers', ...replicas]));
    const agent = new Agent();
    for (const { port } of fleet.replicas) {
      const seen = await get({ ...caller, port }, agent, probePath, (body) => body.includes(probeText));
      expect(seen, JSON.stringify([port, seen])).toMatchObject({ kind: '200' });
      // The hub's own API at the root judges the caller's own token, and no other.
      expect((await get({ ...caller, port }, agent, '/api/v1/namespaces', () => true)).detail).toContain('"alice\\"');
      const admin = { ...caller, port, token: fleet.hubPlane.adminToken };
      expect(await get(admin, agent, '/api/v1/namespaces', () => true)).toMatchObject({ kind: '200' });
    }
    agent.destroy();
    // The agent's fleet role came by its certificate, and was impersonated.
    await eventually('the agent has made its manifest real', async () => {
      const at = { namespace: 'default', name: 'member-1' };
      const { metadata, status } = await fleet.hubClient.get(ctx, membershipManifests, at);
      return status?.observedGeneration === metadata.generation ? true : undefined;
    });
    await eventually('the version is recorded', async () => (await fleet.membership()).status?.kubernetes?.version);
  });

  it('talk to each other on a port that is closed to all others', async () => {
    const holder = await fleet.currentHolder();
    const lease = await fleet.hubClient.get(ctx, leases, {
      namespace: hubSystem,
      name: `polyanthus-hub-${holder.name}`,
    });
    const url = lease.metadata.annotations?.['fleet.polyanthus.dev/internal-url'] ?? '';
    const uid = (await fleet.membership()).metadata.uid;
    const state = JSON.parse(await readFile(join(fleet.folder, 'agent/identity.json'), 'utf8')) as {
      readonly certificatePem: string;
      readonly keys: { readonly privateKeyPem: string };
    };
    const ask = async (tls: { readonly cert?: string; readonly key?: string }): Promise<number> => {
      const transport = createTransport({ baseUrl: url, tls: { insecure: true, ...tls } });
      const headers = { 'impersonate-user': 'alice', authorization: `Bearer ${fleet.hubPlane.adminToken}` };
      const asked = { method: 'GET', url: `/internal/v1/members/${uid}/api/v1/namespaces`, headers, body: null };
      const { status } = await transport.request(ctx, asked);
      await transport.close();
      return status;
    };
    const refusals = [await ask({}), await ask({ cert: state.certificatePem, key: state.keys.privateKeyPem })];
    expect(refusals).toEqual([403, 403]);
    note('replica port without certificate, with the agent’s certificate', refusals.join(', '));
  });

  it('let users of the cluster in by their client certificates, to members alone', async () => {
    const agent = new Agent();
    const as = async (commonName: string, organizations: readonly string[] = []): Promise<Caller> => ({
      port: caller.port,
      caPem: caller.caPem,
      certificate: await fleet.certified(commonName, organizations),
    });
    const carol = await as('carol', ['team']);
    expect((await get(carol, agent, probePath, () => true)).detail).toMatch(/^403 .*User \\"carol\\" cannot get/s);
    await fleet.bind('team', { group: 'team' });
    await eventually('carol reads in the member, by her group', async () =>
      (await get(carol, agent, probePath, (body) => body.includes(probeText))).kind === '200' ? true : undefined,
    );
    const said = async (who: Caller, path: string): Promise<string> => (await get(who, agent, path, () => true)).detail;
    const refused = {
      'carol at the root': await said(carol, '/api/v1/namespaces'),
      'system:masters': await said(await as('mallory', ['system:masters']), probePath),
      'the name of an agent': await said(await as('polyanthus:agent:1', ['polyanthus:agents']), '/api/v1/namespaces'),
    };
    expect(refused).toMatchObject({
      'carol at the root': expect.stringMatching(/^403 .*Use a token here/s) as unknown,
      'system:masters': expect.stringMatching(/^403 .*means something inside the member/s) as unknown,
      'the name of an agent': expect.stringMatching(/^401 /) as unknown,
    });
    agent.destroy();
  });

  it('end the watch of a user whose right is taken, and let her in again', async () => {
    const path = `${member}/api/v1/namespaces/parts/configmaps?watch=true`;
    const call = request({ ...requestOf(caller), path }).end();
    const [response] = (await once(call, 'response')) as [IncomingMessage];
    expect(response.statusCode).toBe(200);
    const ended = new Promise<void>((resolve) => response.on('error', () => undefined).once('close', resolve));
    response.resume();
    const takenMs = performance.now();
    await fleet.unbindAlice();
    await ended;
    note('binding deleted: open watch ended after', `${Math.round(performance.now() - takenMs)} ms`);
    await untilEveryReplicaAnswers(/^other 403 /);
    const givenMs = performance.now();
    await fleet.bindAlice();
    await untilEveryReplicaAnswers(/^200 /);
    note('binding made: every replica lets her into the member after', `${Math.round(performance.now() - givenMs)} ms`);
  });

  it('are soon back when the holder of the tunnel is killed; a watch misses nothing', async () => {
    const holder = await fleet.currentHolder();
    const traffic = load();
    const events = await WatchedEvents.start(fleet.memberClient, clientAt(fleet.balancer.port), 'killed');
    await eventually('100 answers', async () => (traffic.outcomes.length > 100 ? true : undefined));
    const before = summary(traffic.outcomes, performance.now());
    const killedMs = performance.now();
    await fleet.endReplica(holder, 'SIGKILL');
    await eventually('another replica holds the tunnel', () => fleet.holder());
    const heldMs = performance.now() - killedMs;
    await eventually('100 good answers in a row after it', async () =>
      traffic.goodSince(killedMs, 100) ? true : undefined,
    );
    const written = await events.stop();
    const seen = summary(await traffic.stop(), killedMs);
    note('kill -9 of the holder: another replica holds the tunnel after', `${Math.round(heldMs)} ms`);
    note('… last failure ended after', `${seen.backMs} ms`);
    note(
      '… requests, of them 503, resets, other failures',
      `${seen.requests}, ${seen.unavailable}, ${seen.resets}, ${seen.others.length}`,
    );
    note('… longest request', `${seen.longestMs} ms`);
    note(
      '… watch: events written, seen; breaks',
      `${written.length}, ${events.seen.length}; ${events.breaks.join(' ')}`,
    );
    expect(before).toMatchObject({ unavailable: 0, resets: 0, others: [] });
    expect(seen.others).toEqual([]);
    // The aim is 5 s, which the table shows; a machine that is busy with other things gets more.
    expect(seen.backMs).toBeLessThan(30_000);
    expect(events.seen).toEqual(written);
    await fleet.startReplica('hub-d');
    await untilEveryReplicaAnswers(/^200 /);
  });

  it('move the tunnel first when one is told to stop', async () => {
    const holder = await fleet.currentHolder();
    const traffic = load();
    const events = await WatchedEvents.start(fleet.memberClient, clientAt(fleet.balancer.port), 'drained');
    await eventually('50 answers', async () => (traffic.outcomes.length > 50 ? true : undefined));
    const toldMs = performance.now();
    await fleet.endReplica(holder, 'SIGTERM');
    const endedMs = performance.now() - toldMs;
    await eventually('another replica holds the tunnel', () => fleet.holder());
    const movedMs = performance.now();
    await eventually('50 good answers in a row', async () => (traffic.goodSince(movedMs, 50) ? true : undefined));
    const written = await events.stop();
    const seen = summary(await traffic.stop(), toldMs);
    note('SIGTERM of the holder: its process ended after', `${Math.round(endedMs)} ms`);
    note(
      '… requests, of them 503, resets, other failures',
      `${seen.requests}, ${seen.unavailable}, ${seen.resets}, ${seen.others.length}`,
    );
    note(
      '… watch: events written, seen; breaks',
      `${written.length}, ${events.seen.length}; ${events.breaks.join(' ')}`,
    );
    expect(seen.others).toEqual([]);
    expect(events.seen).toEqual(written);
  });

  it('cut a list of 200 MB so that nobody takes it as whole when the agent is killed', async () => {
    const digest = createHash('sha256');
    const whole = await readBig(caller, (piece) => void digest.update(piece));
    expect(whole.end).toBe('complete');
    note(
      'list of 200 MB through the hub, undisturbed',
      `${(whole.bytes / 1e6).toFixed(0)} MB in ${Math.round(whole.ms)} ms`,
    );
    const first = cutBig(caller);
    const second = cutBigHttp2(caller);
    await Promise.all([first.started, second.started]);
    await fleet.killAgent();
    first.readOn();
    second.readOn();
    const [one, two] = [await first.outcome, await second.outcome];
    note(
      'kill -9 of the agent in the middle of it: HTTP/1.1 client saw',
      `${(one.bytes / 1e6).toFixed(0)} MB, then ${one.end}`,
    );
    note('… HTTP/2 client saw', `${(two.bytes / 1e6).toFixed(0)} MB, then ${two.end}`);
    expect(one.end).toBe('ECONNRESET');
    expect(two.end).toMatch(/^ERR_HTTP2_STREAM_ERROR/);
    expect(Math.max(one.bytes, two.bytes)).toBeLessThan(whole.bytes);
    const away = await get(caller, new Agent(), probePath, () => true);
    expect(away).toMatchObject({ kind: '503' });
    expect(away.detail).toContain('membership default/member-1 cannot be reached: ');
    await untilEveryReplicaAnswers(/^503 .*cannot be reached: the agent has no connection to the hub/s);
    await fleet.startAgent();
    await untilEveryReplicaAnswers(/^200 /);
  });

  it('go on from a backup in another cluster: the agent with its key, users with their rights', async () => {
    const uid = (await fleet.membership()).metadata.uid;
    const lostMs = performance.now();
    await fleet.moveHub();
    expect((await fleet.membership()).metadata.uid).not.toBe(uid);
    await untilEveryReplicaAnswers(/^200 /);
    note(
      'hub’s cluster lost, restored from a backup in another one: every replica reaches the member after',
      `${Math.round(performance.now() - lostMs)} ms, with backup, new cluster and start of the hub`,
    );
  });
});

interface BigOutcome {
  readonly bytes: number;
  /** `complete`, or the code of the error. */
  readonly end: string;
  readonly ms: number;
}

const requestOf = (caller: Caller) => ({
  host: '127.0.0.1',
  port: caller.port,
  ca: caller.caPem,
  headers: { authorization: `Bearer ${caller.token ?? ''}` },
});

async function readBig(caller: Caller, hear: (piece: Buffer) => void): Promise<BigOutcome> {
  const started = performance.now();
  let bytes = 0;
  const call = request({ ...requestOf(caller), path: bigPath }).end();
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  for await (const piece of response as AsyncIterable<Buffer>) {
    bytes += piece.length;
    hear(piece);
  }
  return { bytes, end: response.complete ? 'complete' : 'incomplete', ms: performance.now() - started };
}

interface Cut {
  /** Resolves when some of the list has come; the reader then waits for `readOn`, with most of the list to come. */
  readonly started: Promise<void>;
  readonly readOn: () => void;
  readonly outcome: Promise<BigOutcome>;
}

const someBytes = 20_000_000;

/** Reads a list that is paused in the middle; `begin` opens it. */
function cut(begin: (hear: (piece: Buffer, paused: Paused) => void, end: (how: string) => void) => void): Cut {
  const started = Promise.withResolvers<void>();
  const waiting = Promise.withResolvers<void>();
  const outcome = new Promise<BigOutcome>((resolve) => {
    let bytes = 0;
    const begun = performance.now();
    const hear = (piece: Buffer, reader: Paused): void => {
      bytes += piece.length;
      if (bytes < someBytes || bytes - piece.length >= someBytes) return;
      reader.pause();
      void waiting.promise.then(() => reader.resume());
      started.resolve();
    };
    const end = (how: string): void => {
      started.reject(new Error(`the list ended before it was cut: ${how}`));
      resolve({ bytes, end: how, ms: performance.now() - begun });
    };
    begin(hear, end);
  });
  return { started: started.promise, readOn: waiting.resolve, outcome };
}

interface Paused {
  pause(): unknown;
  resume(): unknown;
}

function cutBig(caller: Caller): Cut {
  return cut((hear, end) => {
    const failed = (error: NodeJS.ErrnoException): void => end(error.code ?? error.message);
    const call = request({ ...requestOf(caller), path: bigPath }, (response) => {
      response.on('data', (piece: Buffer) => hear(piece, response));
      response.once('error', failed);
      response.once('end', () => end(response.complete ? 'complete' : 'incomplete'));
    });
    call.once('error', failed);
    call.end();
  });
}

function cutBigHttp2(caller: Caller): Cut {
  return cut((hear, end) => {
    const session = connectHttp2(`https://127.0.0.1:${caller.port}`, { ca: caller.caPem });
    session.on('error', () => undefined);
    const stream = session.request({ ':path': bigPath, authorization: `Bearer ${caller.token ?? ''}` });
    const over = (how: string): void => {
      end(how);
      session.destroy();
    };
    stream.on('data', (piece: Buffer) => hear(piece, stream));
    stream.once('error', (error: NodeJS.ErrnoException) => over(`${error.code ?? ''} ${error.message}`.trim()));
    stream.once('end', () => setImmediate(() => over('complete')));
  });
}
