/** The same requests to a real kube-apiserver and to this server: same status, same words, same objects. */
import { request } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startControlPlane, type ControlPlane } from '../../../lab/src/control-plane.ts';
import { whyNotReal } from '../../../lab/src/parts.ts';
import { limitGroups } from './conformance-limits.ts';
import { crd, groups as tableGroups, knownDifferences, type Step } from './conformance-table.ts';
import { callApi, startTestCluster, type TestCluster } from './testing.ts';

const why = whyNotReal(['etcd', '3.7.0'], ['kube-apiserver', '1.37.2']);

const groups = [...tableGroups, ...limitGroups];

interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly warning: unknown;
}
type Send = (step: Step) => Promise<Answer>;

/** Values that differ by nature. */
const volatile: ReadonlySet<string> = new Set([
  'uid',
  'resourceVersion',
  'creationTimestamp',
  'deletionTimestamp',
  'time',
  'lastTransitionTime',
  'serverAddress',
]);

/** Objects with sorted keys and without what differs by nature. */
function comparable(value: unknown, key = ''): unknown {
  if (volatile.has(key)) return value === undefined || value === null ? value : '*';
  // Names with times.
  if (key === 'disruptedPods') return Object.keys(value as object).toSorted();
  if (Array.isArray(value)) return value.map((item) => comparable(item));
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(
      Object.entries(value)
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, item]) => [name, comparable(item, name)]),
    );
  if (typeof value !== 'string') return value;
  return value
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '*')
    .replace(/ResourceVersion in record \(\d+\)/, 'ResourceVersion in record (*)');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function sendReal(plane: ControlPlane): Send {
  return (step) =>
    new Promise((resolve, reject) => {
      const data = step.text ?? (step.body === undefined ? undefined : JSON.stringify(step.body));
      const headers = {
        authorization: `Bearer ${plane.adminToken}`,
        'user-agent': 'test/1',
        accept: step.accept ?? 'application/json',
        ...(data === undefined
          ? {}
          : { 'content-type': step.type ?? 'application/json', 'content-length': String(Buffer.byteLength(data)) }),
      };
      const call = request(plane.url + step.url, { method: step.method, ca: plane.caPem, headers }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, body: parsed(text), warning: response.headers['warning'] }),
        );
      });
      call.on('error', reject);
      call.end(data);
    });
}

function sendOwn(cluster: TestCluster): Send {
  return async (step) => {
    const body = step.text ?? step.body;
    const {
      status,
      headers,
      body: answer,
    } = await callApi(cluster.ctx, cluster.transport, {
      method: step.method,
      url: step.url,
      headers: { accept: step.accept ?? 'application/json' },
      ...(body === undefined ? {} : { body }),
      ...(step.type === undefined ? {} : { type: step.type }),
    });
    const { warning } = headers;
    return { status, body: answer, warning: Array.isArray(warning) ? warning.join(', ') : warning };
  };
}

async function prepare(send: Send, namespace: string, custom: boolean): Promise<void> {
  await send({ method: 'POST', url: '/api/v1/namespaces', body: { metadata: { name: namespace } } });
  const accounts = `/api/v1/namespaces/${namespace}/serviceaccounts`;
  await send({ method: 'POST', url: accounts, body: { metadata: { name: 'default' } } });
  await untilCreatable(send, `/api/v1/namespaces/${namespace}/configmaps`, { metadata: { name: 'probe' } });
  if (!custom) return;
  const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  await send({ method: 'POST', url: crds, body: crd('widgets', 'Widget') });
  await untilCreatable(send, `/apis/conformance.example.com/v1/namespaces/${namespace}/widgets`, {
    apiVersion: 'conformance.example.com/v1',
    kind: 'Widget',
    metadata: { name: 'probe' },
    spec: { size: 1 },
  });
}

/** Asks until the server takes the object: a real one learns of new namespaces and kinds a moment later. */
async function untilCreatable(send: Send, url: string, body: object): Promise<void> {
  for (let attempt = 0; attempt < 3000; attempt++) {
    const { status } = await send({ method: 'POST', url: `${url}?dryRun=All`, body });
    if (status === 201) return;
  }
  throw new Error(`nothing could be created at ${url}`);
}

/** The answer, asked for until its status is the wanted one; the last one if it never is. */
async function settled(send: Send, step: Step, status: number): Promise<Answer> {
  for (let attempt = 1; ; attempt++) {
    const answer = await send(step);
    if (answer.status === status || attempt === 3000) return answer;
  }
}

describe.skipIf(why !== undefined)(`the answers of kube-apiserver${why === undefined ? '' : ` (${why})`}`, () => {
  let plane: ControlPlane;
  let cluster: TestCluster;
  beforeAll(async () => {
    [plane, cluster] = await Promise.all([startControlPlane(), startTestCluster()]);
  });
  afterAll(async () => {
    await Promise.all([plane.stop(), cluster.close()]);
  });

  it.each(groups)('$name', async ({ name, steps }) => {
    const namespace = `conformance-${groups.findIndex((group) => group.name === name)}`;
    const [real, own] = [sendReal(plane), sendOwn(cluster)];
    await Promise.all([
      prepare(real, namespace, name === 'custom kinds'),
      prepare(own, namespace, name === 'custom kinds'),
    ]);
    for (const step of steps) {
      const filled = JSON.parse(JSON.stringify(step).replaceAll('{ns}', namespace)) as Step;
      const ours = await own(filled);
      const theirs = await (step.settles === true ? settled(real, filled, ours.status) : real(filled));
      const label = `${step.method} ${step.url} ${step.text ?? JSON.stringify(step.body) ?? ''}`;
      expect.soft({ step: label, status: ours.status }).toEqual({ step: label, status: theirs.status });
      if (step.differs !== undefined) {
        expect(Object.keys(knownDifferences)).toContain(step.differs);
        continue;
      }
      expect.soft({ step: label, ...(comparable(ours) as object) }).toEqual({
        step: label,
        ...(comparable(theirs) as object),
      });
    }
  });
});
