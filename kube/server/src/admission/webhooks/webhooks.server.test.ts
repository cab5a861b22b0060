import { createServer } from 'node:net';
import { once } from 'node:events';
import {
  array,
  assert as check,
  asyncProperty,
  constantFrom,
  oneof,
  record as recordOf,
  string as text,
} from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withCancel } from '@polyanthus/ground-base/context';
import type { JsonObject, JsonValue } from '@polyanthus/kube-objects/meta';
import { callApi, startTestCluster, type ApiAnswer, type TestCluster } from '../../testing.ts';
import { patchResponse, startWebhookServer, type Script, type WebhookServer } from './testing-server.ts';

const configs = '/apis/admissionregistration.k8s.io/v1';
const maps = '/api/v1/namespaces/default/configmaps';

let server: WebhookServer;
beforeAll(async () => {
  server = await startWebhookServer();
});
afterAll(() => server.close());

type Body = { message?: string; metadata: JsonObject; data?: JsonObject; code?: number };

interface Fixture {
  readonly cluster: TestCluster;
  readonly call: (method: string, url: string, body?: unknown, type?: string) => Promise<ApiAnswer & { body: Body }>;
  readonly hook: (kind: 'Mutating' | 'Validating', name: string, more?: JsonObject, path?: string) => Promise<void>;
}

async function withCluster(run: (fixture: Fixture) => Promise<void>, options = {}): Promise<void> {
  const cluster = await startTestCluster(options);
  const call: Fixture['call'] = async (method, url, body, type) =>
    (await callApi(cluster.ctx, cluster.transport, {
      method,
      url,
      ...(body === undefined ? {} : { body }),
      ...(type === undefined ? {} : { type }),
    })) as ApiAnswer & { body: Body };
  const hook: Fixture['hook'] = async (kind, name, more = {}, path = name) => {
    const answer = await call('POST', `${configs}/${kind.toLowerCase()}webhookconfigurations`, {
      metadata: { name },
      webhooks: [
        {
          name: `${name}.example.com`,
          clientConfig: { url: `https://127.0.0.1:${server.port}/${path}`, caBundle: server.caBundle },
          rules: [{ apiGroups: ['*'], apiVersions: ['*'], resources: ['configmaps'], operations: ['*'] }],
          sideEffects: 'None',
          admissionReviewVersions: ['v1'],
          ...more,
        },
      ],
    });
    expect(answer).toMatchObject({ status: 201 });
  };
  try {
    await run({ cluster, call, hook });
  } finally {
    await cluster.close();
  }
}

function script(name: string, fn: Script): void {
  server.scripts.set(name, fn);
}

const askedAt = (path: string): readonly JsonObject[] =>
  server.asked.filter((one) => one.path === `/${path}`).map((one) => one.review['request'] as JsonObject);
const map = (name: string, data: JsonObject = { a: '1' }): object => ({ metadata: { name }, data });

describe('mutating webhooks', () => {
  it('are asked in the order of their configurations, each about what the one before made', async () => {
    script('order-b', ({ object }) =>
      patchResponse([{ op: 'add', path: '/data/b', value: Object.keys((object as Body).data ?? {}).join() }]),
    );
    script('order-a', () => patchResponse([{ op: 'add', path: '/data/first', value: 'x' }]));
    await withCluster(async ({ call, hook }) => {
      await hook('Mutating', 'order-b');
      await hook('Mutating', 'order-a');
      const { body } = await call('POST', maps, map('m'));
      expect(body.data).toEqual({ a: '1', first: 'x', b: 'a,first' });
    });
  });

  it('are asked again when another changed the object after them, and never a third time', async () => {
    script('again', ({ object }) =>
      patchResponse([{ op: 'add', path: '/data/seen', value: Object.keys((object as Body).data ?? {}).join() }]),
    );
    script('later', () => patchResponse([{ op: 'add', path: '/data/later', value: 'x' }]));
    await withCluster(async ({ call, hook }) => {
      await hook('Mutating', 'again', { reinvocationPolicy: 'IfNeeded' });
      await hook('Mutating', 'later');
      const { body } = await call('POST', maps, map('m'));
      expect(body.data).toEqual({ a: '1', seen: 'a,seen,later', later: 'x' });
    });
    expect(askedAt('again')).toHaveLength(2);
    expect(askedAt('later')).toHaveLength(1);
  });

  it('never change what an endpoint may not change', async () => {
    script('meddle', ({ operation }) =>
      operation === 'UPDATE'
        ? patchResponse([
            { op: 'replace', path: '/metadata/uid', value: 'mine' },
            { op: 'add', path: '/metadata/generation', value: 77 },
          ])
        : { allowed: true },
    );
    await withCluster(async ({ call, hook }) => {
      await hook('Mutating', 'meddle');
      const { body } = await call('POST', maps, map('m'));
      const changed = await call('PUT', `${maps}/m`, map('m', { a: '2' }));
      expect(changed).toMatchObject({ status: 422, body: { message: expect.stringContaining('metadata.uid') } });
      expect((await call('GET', `${maps}/m`)).body).toEqual(body);
    });
  });
});

describe('validating webhooks', () => {
  it('judge what is about to be stored, and nothing is stored when one refuses', async () => {
    script('grow', () => patchResponse([{ op: 'add', path: '/data/x', value: '1' }]));
    script('judge', ({ object }) => ({ allowed: false, status: { message: JSON.stringify((object as Body).data) } }));
    await withCluster(async ({ call, hook }) => {
      await hook('Mutating', 'grow');
      await hook('Validating', 'judge');
      const { status, body } = await call('POST', maps, map('m'));
      expect([status, body.message]).toEqual([
        400,
        'admission webhook "judge.example.com" denied the request: {"a":"1","x":"1"}',
      ]);
      expect((await call('GET', `${maps}/m`)).status).toBe(404);
      expect(askedAt('judge')[0]).toMatchObject({
        object: { metadata: { uid: expect.stringMatching(/^[0-9a-f-]{36}$/) } },
      });
    });
  });

  it('are asked at the same time', async () => {
    const waiting: (() => void)[] = [];
    for (const name of ['side-a', 'side-b'])
      script(name, async () => {
        // Each answers only when the other has been asked as well.
        await new Promise<void>((resolve) => {
          waiting.push(resolve);
          if (waiting.length === 2) for (const go of waiting) go();
        });
        return { allowed: true } as never;
      });
    await withCluster(async ({ call, hook }) => {
      await hook('Validating', 'side-a', { timeoutSeconds: 30 });
      await hook('Validating', 'side-b', { timeoutSeconds: 30 });
      expect((await call('POST', maps, map('m'))).status).toBe(201);
    });
  });

  it('warn the client and speak to the audit log', async () => {
    script('talk', () => ({ allowed: true, warnings: ['mind the "gap"'], auditAnnotations: { k: 'v' } }));
    const events: JsonObject[] = [];
    await withCluster(
      async ({ call, hook }) => {
        await hook('Validating', 'talk');
        const { headers } = await call('POST', maps, map('m'));
        expect(headers['warning']).toEqual(['299 - "mind the \\"gap\\""']);
      },
      { audit: (event: JsonObject) => events.push(event) },
    );
    expect(events.at(-1)?.['annotations']).toMatchObject({ 'talk.example.com/k': 'v' });
  });
});

describe('which webhooks are asked', () => {
  it('none about webhook configurations, so that one that refuses everything can be taken away', async () => {
    script('all', () => ({ allowed: false }));
    const rules = [{ apiGroups: ['*'], apiVersions: ['*'], resources: ['*/*'], operations: ['*'] }];
    await withCluster(async ({ call, hook }) => {
      await hook('Validating', 'all', { rules });
      expect((await call('POST', maps, map('m'))).status).toBe(400);
      expect((await call('DELETE', `${configs}/validatingwebhookconfigurations/all`)).status).toBe(200);
      expect((await call('POST', maps, map('m'))).status).toBe(201);
    });
  });

  it('by the labels of the namespace, and by those that a namespace is given', async () => {
    script('namespaced', () => ({ allowed: false }));
    const rules = [{ apiGroups: [''], apiVersions: ['v1'], resources: ['*'], operations: ['CREATE'] }];
    await withCluster(async ({ call, hook }) => {
      await hook('Validating', 'namespaced', { rules, namespaceSelector: { matchLabels: { watched: 'yes' } } });
      expect((await call('POST', maps, map('m'))).status).toBe(201);
      const namespace = (name: string, labels: object): object => ({ metadata: { name, labels } });
      const namespaces = '/api/v1/namespaces';
      expect((await call('POST', namespaces, namespace('one', { watched: 'yes' }))).status).toBe(400);
      expect((await call('POST', namespaces, namespace('two', {}))).status).toBe(201);
      await call(
        'PATCH',
        `${namespaces}/two`,
        { metadata: { labels: { watched: 'yes' } } },
        'application/merge-patch+json',
      );
      expect((await call('POST', '/api/v1/namespaces/two/configmaps', map('m'))).status).toBe(400);
    });
  });

  it('those whose conditions hold; one that cannot be evaluated counts as the failure policy says', async () => {
    script('conditional', () => ({ allowed: false }));
    await withCluster(async ({ call, hook }) => {
      const conditions = (expression: string): JsonObject => ({ matchConditions: [{ name: 'c', expression }] });
      await hook('Validating', 'conditional', conditions('object.data.a == "1" && request.name.startsWith("m")'));
      expect((await call('POST', maps, map('m'))).status).toBe(400);
      expect((await call('POST', maps, map('n'))).status).toBe(201);
      const missing = await call('POST', maps, map('m', { b: '1' }));
      expect(missing).toMatchObject({ status: 403, body: { message: expect.stringContaining('no such key: a') } });
    });
  });

  it('connections to pods', async () => {
    script('connect', () => ({ allowed: false, status: { message: 'no shells' } }));
    await withCluster(async ({ call, hook }) => {
      const rules = [{ apiGroups: [''], apiVersions: ['v1'], resources: ['pods/exec'], operations: ['CONNECT'] }];
      await hook('Validating', 'connect', { rules });
      await call('POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
      const pod = { metadata: { name: 'p' }, spec: { containers: [{ name: 'c', image: 'i' }] } };
      await call('POST', '/api/v1/namespaces/default/pods', pod);
      const answer = await call('POST', '/api/v1/namespaces/default/pods/p/exec?command=a&command=b&stdout=1');
      expect(answer.body.message).toBe('admission webhook "connect.example.com" denied the request: no shells');
      expect(askedAt('connect')[0]?.['object']).toEqual({
        kind: 'PodExecOptions',
        apiVersion: 'v1',
        stdout: true,
        command: ['a', 'b'],
      });
    });
  });
});

describe('what webhooks see', () => {
  const deployments = '/apis/apps/v1/namespaces/default/deployments';
  const rule = (resources: readonly string[], apiGroup = ''): JsonObject => ({
    rules: [{ apiGroups: [apiGroup], apiVersions: ['*'], resources: [...resources], operations: ['*'] }],
  });

  it('of a Scale: those that judge see the whole of it, whatever was sent', async () => {
    script('scaled', () => ({ allowed: true }));
    await withCluster(async ({ call, hook }) => {
      const labels = { a: 'b' };
      const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } };
      const spec = { replicas: 1, selector: { matchLabels: labels }, template };
      await call('POST', deployments, { metadata: { name: 'd' }, spec });
      await hook('Validating', 'scaled', rule(['deployments/scale'], 'apps'));
      const change = { metadata: { name: 'd', namespace: 'default' }, spec: { replicas: 3 } };
      expect((await call('PUT', `${deployments}/d/scale`, change)).status).toBe(200);
      expect(askedAt('scaled')[0]?.['object']).toMatchObject({
        metadata: { uid: expect.stringMatching(/^[0-9a-f-]{36}$/) },
        spec: { replicas: 3 },
        status: { replicas: 0, selector: 'a=b' },
      });
    });
  });

  it('of an update: what was sent; and they are asked although it comes too late', async () => {
    script('sent', () => ({ allowed: true }));
    await withCluster(async ({ call, hook }) => {
      await call('POST', maps, map('m'));
      await hook('Mutating', 'sent', rule(['configmaps']));
      const late = { metadata: { name: 'm', resourceVersion: '1' }, data: {} };
      expect((await call('PUT', `${maps}/m`, late)).status).toBe(409);
      const [asked = {}] = askedAt('sent');
      expect(asked).not.toHaveProperty('object.metadata.uid');
      expect(asked).toHaveProperty('oldObject.metadata.uid');
    });
  });

  it('of a connection: everything that is asked for, though the pod is not there', async () => {
    script('nowhere', () => ({ allowed: true }));
    await withCluster(async ({ call, hook }) => {
      await hook('Validating', 'nowhere', rule(['pods/portforward']));
      const answer = await call('POST', '/api/v1/namespaces/default/pods/none/portforward?ports=80&ports=81');
      expect(answer.status).toBe(404);
      expect(askedAt('nowhere')[0]?.['object']).toMatchObject({ kind: 'PodPortForwardOptions', ports: [80, 81] });
    });
  });
});

describe('calls that fail', () => {
  it('refuse the write, or let it pass, as the failure policy says', async () => {
    script('late', () => new Promise(() => undefined));
    await withCluster(async ({ call, hook }) => {
      await hook('Validating', 'late', { timeoutSeconds: 1 });
      const refused = await call('POST', maps, map('m'));
      expect([refused.status, refused.body.message]).toEqual([
        500,
        `Internal error occurred: failed calling webhook "late.example.com": failed to call webhook: Post "https://127.0.0.1:${server.port}/late?timeout=1s": context deadline exceeded`,
      ]);
      await call('DELETE', `${configs}/validatingwebhookconfigurations/late`);
      await hook('Validating', 'late', { timeoutSeconds: 1, failurePolicy: 'Ignore' });
      expect((await call('POST', maps, map('m'))).status).toBe(201);
    });
  });

  it('end when the client goes away', async () => {
    const { promise: asked, resolve: reached } = Promise.withResolvers<AbortSignal>();
    script('stuck', (_request, _path, gone) => {
      reached(gone);
      return new Promise(() => undefined);
    });
    await withCluster(async ({ cluster, call, hook }) => {
      await hook('Mutating', 'stuck', { timeoutSeconds: 30, failurePolicy: 'Ignore' });
      const { ctx, cancel } = withCancel(cluster.ctx);
      const answer = callApi(ctx, cluster.transport, { method: 'POST', url: maps, body: map('m') });
      const gone = await asked;
      const ended = gone.aborted ? Promise.resolve() : once(gone, 'abort');
      cancel();
      await expect(answer).rejects.toMatchObject({ code: 'Cancelled' });
      await ended;
      expect((await call('GET', `${maps}/m`)).status).toBe(404);
    });
  });

  it('say why: nobody listens, no trust, an answer without end', async () => {
    const closed = createServer();
    closed.listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as { port: number };
    await new Promise((resolve) => closed.close(resolve));
    script('endless', () => ({
      status: 200,
      headers: {},
      body: (async function* () {
        for (;;) yield Buffer.alloc(64 * 1024, 32);
      })(),
    }));
    const url = (at: number, path = 'x'): JsonObject => ({ url: `https://127.0.0.1:${at}/${path}` });
    for (const [name, clientConfig, words] of [
      ['refused', url(port), 'connect: connection refused'],
      ['distrusted', url(server.port), 'x509: certificate signed by unknown authority'],
      ['endless', { ...url(server.port, 'endless'), caBundle: server.caBundle }, 'the body is larger than'],
    ] as const)
      await withCluster(async ({ call, hook }) => {
        await hook('Validating', name, { clientConfig });
        const { status, body } = await call('POST', maps, map('m'));
        expect([status, body.message]).toEqual([500, expect.stringContaining(words)]);
      });
  });
});

describe('webhooks behind a Service', () => {
  const clientConfig = (): JsonObject => ({
    service: { namespace: 'system', name: 'hooks', path: '/served' },
    caBundle: server.caBundle,
  });

  it('are found at a ready endpoint, and verified for the name of the Service', async () => {
    await withCluster(async ({ call, hook }) => {
      await call('POST', '/api/v1/namespaces', { metadata: { name: 'system' } });
      await hook('Validating', 'served', { clientConfig: clientConfig() });
      const words = async (): Promise<string> => String((await call('POST', maps, map('m'))).body.message);
      expect(await words()).toContain('service "hooks" not found');
      const ports = [{ name: 'https', port: 443, targetPort: 8443 }];
      await call('POST', '/api/v1/namespaces/system/services', { metadata: { name: 'hooks' }, spec: { ports } });
      expect(await words()).toContain('no endpoints available for service "hooks"');
      const endpoint = (address: string, ready: boolean): object => ({ addresses: [address], conditions: { ready } });
      const slice = await call('POST', '/apis/discovery.k8s.io/v1/namespaces/system/endpointslices', {
        metadata: { name: 'hooks-1', labels: { 'kubernetes.io/service-name': 'hooks' } },
        addressType: 'IPv4',
        ports: [{ name: 'https', port: server.port }],
        endpoints: [endpoint('127.0.0.9', false), endpoint('127.0.0.1', true)],
      });
      expect(slice.status).toBe(201);
      expect((await call('POST', maps, map('m'))).status).toBe(201);
      expect(askedAt('served')).toHaveLength(1);
    });
  });

  it('are found at the other name of a Service, and not behind one without an address', async () => {
    await withCluster(async ({ call, hook }) => {
      const { port } = server;
      const service = (spec: JsonObject): Promise<unknown> =>
        call('POST', '/api/v1/namespaces/system/services', { metadata: { name: 'hooks' }, spec });
      const at = clientConfig();
      await call('POST', '/api/v1/namespaces', { metadata: { name: 'system' } });
      await service({ type: 'ExternalName', externalName: '127.0.0.1' });
      await hook('Validating', 'served', { clientConfig: { ...at, service: { ...(at['service'] as object), port } } });
      expect((await call('POST', maps, map('m'))).status).toBe(201);
      await call('DELETE', '/api/v1/namespaces/system/services/hooks');
      await service({ clusterIP: 'None', ports: [{ port }] });
      const refused = await call('POST', maps, map('n'));
      expect(refused.body.message).toContain(
        `Post "https://hooks.system.svc:${port}/served?timeout=10s": cannot route to service with ClusterIP "None"`,
      );
    });
  });

  it('are dialled as the server was told', async () => {
    const dialled: JsonObject[] = [];
    const dialWebhook = async (_ctx: unknown, service: JsonObject): Promise<object> => {
      dialled.push(service);
      return { host: '127.0.0.1', port: server.port };
    };
    await withCluster(
      async ({ call, hook }) => {
        await hook('Mutating', 'served', { clientConfig: clientConfig() });
        expect((await call('POST', maps, map('m'))).status).toBe(201);
      },
      { dialWebhook },
    );
    expect(dialled).toEqual([{ namespace: 'system', name: 'hooks', port: 443 }]);
  });
});

const pieces = oneof(
  constantFrom<JsonValue>('', 'ok', 'Not Valid', '../x', 7, -1, null, true, [], {}, ['a'], { a: 'b' }),
  text({ maxLength: 6 }),
);
const paths = constantFrom(
  '/metadata/name',
  '/metadata/namespace',
  '/metadata/labels',
  '/metadata/annotations',
  '/metadata/finalizers',
  '/metadata/ownerReferences',
  '/metadata/managedFields',
  '/metadata/uid',
  '/metadata/deletionTimestamp',
  '/data',
  '/data/a',
  '/data/b c',
  '/binaryData',
  '/immutable',
  '/kind',
  '/apiVersion',
  '/metadata',
  '',
);
const operation = recordOf({ op: constantFrom('add', 'replace', 'remove'), path: paths, value: pieces });

it('whatever a webhook patches, nothing is stored that could not be written without it', async () => {
  let patch: JsonValue = [];
  script('any', () => patchResponse(patch));
  await withCluster(async ({ call, hook, cluster }) => {
    await hook('Mutating', 'any');
    await withCluster(async (bare) => {
      await check(
        asyncProperty(array(operation, { minLength: 1, maxLength: 3 }), async (operations) => {
          patch = operations as JsonValue;
          const { status, body } = await call('POST', maps, map('m'));
          expect([201, 400, 404, 422, 500]).toContain(status);
          if (status !== 201) return;
          const { uid: _uid, resourceVersion: _version, creationTimestamp: _time, ...metadata } = body.metadata;
          const again = { ...body, metadata };
          const direct = await bare.call('POST', `${maps}?dryRun=All&fieldValidation=Strict`, again);
          expect(direct).toMatchObject({ status: 201 });
          expect(cluster.store.count('test//configmaps/default/')).toBe(1);
          await call(
            'PATCH',
            `${maps}/${String(metadata['name'])}`,
            [{ op: 'replace', path: '/metadata/finalizers', value: [] }],
            'application/json-patch+json',
          );
          patch = [];
          await call('DELETE', maps);
        }),
        { numRuns: 120, interruptAfterTimeLimit: 2_000 },
      );
    });
  });
});
