/** The hub as users run it (`polyanthus up` from the bundle, authorization and audit on), and members that join it. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { background, type Context } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import { createTransport } from '@polyanthus/ground-http/node-client';
import { enrolmentSecret } from '@polyanthus/domains-fleet/enrolment';
import { newEnrolmentToken } from '@polyanthus/engine-tunnel/enrolment';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { createClient } from '@polyanthus/kube-client/rest';
import { secrets } from '@polyanthus/kube-kinds/core';
import { memberships, type Membership } from '@polyanthus/kube-kinds/own/fleet';
import { bundle, start, startBy, type Started } from './children.ts';

/** Delay of the main thread's event loop in milliseconds. */
export interface LoopDelay {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** A hub that serves. */
export interface RealHub {
  readonly process: Started;
  readonly url: string;
  readonly dataDir: string;
  readonly adminToken: string;
  readonly caPem: string;
  readonly caFile: string;
  readonly client: KubeClient;
  /** What was seen since the last call. */
  loopDelay(): Promise<LoopDelay>;
}

interface Identity {
  readonly adminToken: string;
  readonly clusters: Readonly<Record<string, { readonly caCertificatePem: string }>>;
}

/** Starts it on a port (0: a free one) with its data in `dataDir`. `nodeFlags` are for profiles. */
export async function startRealHub(dataDir: string, port = 0, nodeFlags: readonly string[] = []): Promise<RealHub> {
  mkdirSync(dataDir, { recursive: true });
  const delayFile = join(dataDir, 'loop-delay.json');
  const preload = join(import.meta.dirname, 'loop-delay.ts');
  const started = await start(
    process.execPath,
    [...nodeFlags, '--import', preload, bundle(), 'up', `--data-dir=${dataDir}`, `--listen=127.0.0.1:${port}`],
    /The hub serves at/,
    { env: { ...process.env, BENCH_LOOP_DELAY: delayFile } },
  );
  const url = /https:\S+/.exec(started.line)?.[0] ?? '';
  const identity = JSON.parse(readFileSync(join(dataDir, 'identity.json'), 'utf8')) as Identity;
  const caPem = identity.clusters['hub']?.caCertificatePem ?? '';
  const caFile = join(dataDir, 'bench-ca.pem');
  writeFileSync(caFile, caPem);
  const headers = { authorization: `Bearer ${identity.adminToken}` };
  const client = createClient(createTransport({ baseUrl: url, tls: { ca: caPem }, headers: async () => headers }));
  return {
    process: started,
    url,
    dataDir,
    adminToken: identity.adminToken,
    caPem,
    caFile,
    client,
    loopDelay: async () => {
      rmSync(delayFile, { force: true });
      process.kill(started.pid, 'SIGUSR2');
      for (let left = 500; !existsSync(delayFile) && left > 0; left--) await delay(10);
      await delay(20);
      return JSON.parse(readFileSync(delayFile, 'utf8')) as LoopDelay;
    },
  };
}

/** A membership with a token that lets one agent in. */
export async function newMember(ctx: Context, client: KubeClient, name: string, externalId: string): Promise<string> {
  const body: Membership = {
    apiVersion: 'fleet.polyanthus.dev/v1',
    kind: 'Membership',
    metadata: { name, namespace: 'default' },
    spec: { externalId, agent: 'external', ceiling: 'full' },
  };
  const membership = await client.create(ctx, memberships, body);
  const { token } = newEnrolmentToken(systemRandom);
  await client.create(ctx, secrets, enrolmentSecret(membership, token, new Date(Date.now() + 3_600_000)));
  return token;
}

/** Runs the product's agent for one member (its tunnel role) and waits until it is connected. */
export async function joinMember(
  hub: RealHub,
  name: string,
  member: {
    readonly kubeconfig: string;
    readonly externalId: string;
    readonly hubUrl?: string;
    /** What runs a program on the agent's side of a link. */
    readonly inside?: readonly string[];
  },
): Promise<Started> {
  const token = await newMember(background(), hub.client, name, member.externalId);
  const stateDir = join(hub.dataDir, `agent-${name}`);
  mkdirSync(stateDir, { recursive: true });
  writeFileSync(join(stateDir, 'token'), token, { mode: 0o600 });
  return startBy(
    member.inside ?? [],
    process.execPath,
    [
      ...(process.env['BENCH_AGENT_FLAGS'] ?? '').split(' ').filter((flag) => flag !== ''),
      bundle(),
      'agent',
      'run',
      '--role=tunnel',
      `--hub=${member.hubUrl ?? hub.url}`,
      `--hub-ca=${hub.caFile}`,
      `--membership=${name}`,
      `--token-file=${join(stateDir, 'token')}`,
      `--state-dir=${stateDir}`,
      `--kubeconfig=${member.kubeconfig}`,
    ],
    /connected to/,
  );
}

/** The path of a member at the gateway. */
export function memberPath(name: string): string {
  return `/v1/projects/default/locations/global/memberships/${name}`;
}

/** For programs that are asked once, like `kubectl version`; gives its milliseconds. */
export async function timed(command: string, args: readonly string[]): Promise<number> {
  const from = performance.now();
  const child = spawn(command, [...args], { stdio: 'ignore' });
  await new Promise((resolve) => child.once('exit', resolve));
  return performance.now() - from;
}
