/** Pushes to a real registry (distribution): an open one, and one that wants a password. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { background } from '@polyanthus/ground-base/context';
import { readBody } from '@polyanthus/ground-http/body';
import { createTransport } from '@polyanthus/ground-http/node-client';
import type { Transport } from '@polyanthus/ground-http/message';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '../../../lab/src/control-plane.ts';
import { binary, whyNotReal } from '../../../lab/src/parts.ts';
import { writeImage } from './image.ts';
import { blobPath, indexType, sha256 } from './layout.ts';
import { pushImage } from './push.ts';
import { Repository, type RegistryCredentials } from './registry.ts';

const why = whyNotReal(['registry', '3.0.0']);
const ctx = background();
const name = 'example.org/app:1.0';
const password = 'not a secret';
/** bcrypt of that password. */
const htpasswd = 'pusher:$2a$04$8yS8lad42F4B3cpwGkfxgusr7dvlTNVzYxXcozxFPD/uYK7rtkVzS\n';

describe.skipIf(why !== undefined)(`a real registry${why === undefined ? '' : ` (${why})`}`, () => {
  let folder: string;
  let layout: string;
  let digest: string;
  const running: ChildProcess[] = [];
  const transports: Transport[] = [];

  /** Starts one; gives its origin once it answers. */
  async function registry(title: string, auth: object): Promise<string> {
    const [port = 0] = await freePorts(1);
    const config = {
      version: 0.1,
      log: { level: 'error' },
      storage: { filesystem: { rootdirectory: join(folder, title) } },
      http: { addr: `127.0.0.1:${port}` },
      ...auth,
    };
    const file = join(folder, `${title}.yml`);
    await writeFile(file, JSON.stringify(config));
    const child = spawn(binary('registry', '3.0.0') ?? '', ['serve', file], {
      stdio: 'ignore',
      env: { OTEL_TRACES_EXPORTER: 'none' },
    });
    running.push(child);
    const origin = `http://127.0.0.1:${port}`;
    await expect.poll(async () => (await get(origin, '/v2/')).status, { timeout: 30_000 }).toBeLessThan(500);
    return origin;
  }

  async function get(origin: string, url: string, accept = '*/*') {
    const answer = await transportTo(origin).request(ctx, { method: 'GET', url, headers: { accept }, body: null });
    return { status: answer.status, content: Buffer.from(await readBody(answer.body, 1e8)) };
  }
  const transportTo = (baseUrl: string): Transport => {
    const made = createTransport({ baseUrl });
    transports.push(made);
    return made;
  };
  const repositoryAt = (origin: string, credentials?: RegistryCredentials): Repository =>
    new Repository({ origin, repository: 'team/app', credentials, transportTo });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'polyanthus-push-'));
    layout = join(folder, 'layout');
    ({ digest } = await writeImage(layout, {
      name,
      architecture: 'amd64',
      layers: [
        {
          comment: 'a file',
          entries: [{ kind: 'file', path: 'file', mode: 0o644, content: Buffer.alloc(3_000_000, 'x') }],
        },
      ],
      entrypoint: ['/file'],
      env: [],
      user: '1:1',
      labels: {},
      createdSeconds: 0,
      compression: 'none',
      sbom: { bomFormat: 'CycloneDX' },
    }));
  });
  afterAll(async () => {
    for (const one of transports) await one.close();
    for (const child of running) {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
    await rm(folder, { recursive: true, force: true });
  });

  it('takes image and SBOM, gives back the same bytes, and a second push sends no blob', async () => {
    const origin = await registry('open', {});
    const blobs: string[] = [];
    const push = (): Promise<string> =>
      pushImage(ctx, repositoryAt(origin), {
        layout,
        name,
        tag: '1.0',
        onBlob: (_digest, _bytes, what) => void blobs.push(what),
      });
    expect(await push()).toBe(digest);
    expect(new Set(blobs.splice(0))).toEqual(new Set(['sent']));
    expect(await push()).toBe(digest);
    expect(new Set(blobs)).toEqual(new Set(['there']));

    const manifest = await get(origin, '/v2/team/app/manifests/1.0', 'application/vnd.oci.image.manifest.v1+json');
    expect(sha256(manifest.content)).toBe(digest);
    const { layers } = JSON.parse(manifest.content.toString('utf8')) as { layers: { digest: string }[] };
    for (const layer of layers)
      expect(sha256((await get(origin, `/v2/team/app/blobs/${layer.digest}`)).content)).toBe(layer.digest);
    // This registry keeps no list of referrers: the SBOM is found by the tag of the specification.
    const referrers = await get(origin, `/v2/team/app/manifests/${digest.replace(':', '-')}`, indexType);
    const { manifests } = JSON.parse(referrers.content.toString('utf8')) as { manifests: { artifactType: string }[] };
    expect(manifests.map((one) => one.artifactType)).toEqual(['application/vnd.cyclonedx+json']);
  });

  it('with a password takes nothing without it or with another, and the tag is not there', async () => {
    const file = join(folder, 'htpasswd');
    await writeFile(file, htpasswd);
    const origin = await registry('closed', { auth: { htpasswd: { realm: 'test', path: file } } });
    const options = { layout, name, tag: '1.0' };
    const right = { username: 'pusher', password };
    for (const credentials of [undefined, { ...right, password: 'another' }])
      await expect(pushImage(ctx, repositoryAt(origin, credentials), options)).rejects.toMatchObject({
        code: 'RegistryUnauthorized',
      });
    const open = repositoryAt(origin, right);
    expect(await open.getManifest(ctx, '1.0', 'application/vnd.oci.image.manifest.v1+json')).toBeUndefined();
    expect(await pushImage(ctx, repositoryAt(origin, right), options)).toBe(digest);
  });

  it('refuses a blob that is not what it is called, and the layout a damaged manifest', async () => {
    const origin = await registry('strict', {});
    const content = Buffer.from('something else');
    const upload = { bytes: content.length, open: () => content };
    await expect(repositoryAt(origin).putBlob(ctx, sha256(Buffer.from('a')), upload)).rejects.toMatchObject({
      code: 'RegistryRefused',
    });
    const path = blobPath(layout, digest);
    const before = await readFile(path);
    await writeFile(path, Buffer.concat([before, Buffer.from(' ')]));
    const pushed = pushImage(ctx, repositoryAt(origin), { layout, name, tag: '1.0' });
    await expect(pushed).rejects.toMatchObject({ code: 'ImageNotInLayout' });
    await writeFile(path, before);
  });
});
