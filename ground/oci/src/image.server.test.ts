import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { writeImage, type ImageSpec } from './image.ts';
import { tar, type TarEntry } from './tar.ts';

const folders: string[] = [];
const folder = (): string => {
  const made = mkdtempSync(join(tmpdir(), 'polyanthus-oci-'));
  folders.push(made);
  return made;
};
afterEach(() => folders.splice(0).forEach((one) => rmSync(one, { recursive: true, force: true })));

const text = (content: string): Uint8Array => new TextEncoder().encode(content);
const spec: ImageSpec = {
  name: 'example.org/app:1',
  architecture: 'amd64',
  layers: [
    {
      comment: 'files',
      entries: [
        { kind: 'folder', path: 'etc', mode: 0o755 },
        { kind: 'file', path: 'etc/hosts', mode: 0o644, content: text('127.0.0.1 localhost\n') },
        { kind: 'symlink', path: 'etc/link', target: 'hosts' },
      ],
    },
  ],
  entrypoint: ['/app'],
  env: ['PATH=/bin'],
  user: '65532:65532',
  labels: { a: 'b' },
  createdSeconds: 1_700_000_000,
  compression: 'gzip',
  sbom: { bomFormat: 'CycloneDX', specVersion: '1.6', components: [] },
};

describe('an image layout', () => {
  it('has the same digest when it is built twice, and another one for other content', async () => {
    const one = await writeImage(join(folder(), 'a'), spec);
    const two = await writeImage(join(folder(), 'b'), spec);
    expect(two).toEqual(one);
    expect((await writeImage(join(folder(), 'c'), { ...spec, user: '0:0' })).digest).not.toBe(one.digest);
  });

  it('names the image for containerd and carries an SBOM that refers to it', async () => {
    const at = join(folder(), 'a');
    const { digest } = await writeImage(at, spec);
    const index = JSON.parse(readFileSync(join(at, 'index.json'), 'utf8')) as {
      manifests: { digest: string; annotations?: Record<string, string> }[];
    };
    expect(index.manifests[0]?.annotations?.['io.containerd.image.name']).toBe('example.org/app:1');
    const sbom = JSON.parse(
      readFileSync(join(at, 'blobs/sha256', (index.manifests[1]?.digest ?? '').slice(7)), 'utf8'),
    ) as { subject: { digest: string } };
    expect(sbom.subject.digest).toBe(digest);
  });

  it('takes several images; one of the same name is replaced', async () => {
    const at = join(folder(), 'a');
    await writeImage(at, spec);
    await writeImage(at, { ...spec, name: 'example.org/other:1', compression: 'none' });
    await writeImage(at, { ...spec, user: '1:1' });
    const index = JSON.parse(readFileSync(join(at, 'index.json'), 'utf8')) as {
      manifests: { annotations?: Record<string, string> }[];
    };
    expect(index.manifests.flatMap((one) => one.annotations?.['io.containerd.image.name'] ?? []).sort()).toEqual([
      'example.org/app:1',
      'example.org/other:1',
    ]);
    expect(index.manifests).toHaveLength(4);
  });

  it('refuses a folder that is something else', async () => {
    const at = folder();
    await expect(writeImage(at, spec)).rejects.toMatchObject({ code: 'ImageTargetExists' });
  });
});

describe('a tar archive', () => {
  it('is what tar reads, whatever the names and contents', () => {
    const name = fc.stringMatching(/^[a-z][a-z0-9._-]{0,59}$/);
    const file = fc.record({
      parts: fc.array(name, { minLength: 1, maxLength: 3 }),
      content: fc.uint8Array({ maxLength: 1500 }),
    });
    fc.assert(
      fc.property(fc.uniqueArray(file, { maxLength: 4, selector: (one) => one.parts[0] ?? '' }), (files) => {
        const at = folder();
        const entries: TarEntry[] = files.map((one) => ({
          kind: 'file',
          path: one.parts.join('/'),
          mode: 0o600,
          content: one.content,
        }));
        writeFileSync(join(at, 'x.tar'), Buffer.concat([...tar(entries, 1)]));
        execFileSync('tar', ['xf', 'x.tar'], { cwd: at });
        for (const one of files) expect(readFileSync(join(at, one.parts.join('/')))).toEqual(Buffer.from(one.content));
      }),
      { numRuns: 25, interruptAfterTimeLimit: 2000 },
    );
  });

  it('splits long names and refuses what does not fit', () => {
    const long = `${'d'.repeat(120)}/${'f'.repeat(90)}`;
    expect([...tar([{ kind: 'file', path: long, mode: 0o644, content: new Uint8Array(0) }], 0)].length).toBeGreaterThan(
      1,
    );
    expect(() => [
      ...tar([{ kind: 'file', path: 'f'.repeat(200), mode: 0o644, content: new Uint8Array(0) }], 0),
    ]).toThrow(/does not fit/);
  });
});
