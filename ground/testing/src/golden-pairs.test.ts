import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readGoldenPairs } from './golden-pairs.ts';

describe('golden pairs', () => {
  let path: string;
  let folder: URL;
  beforeEach(async () => {
    path = await mkdtemp(join(tmpdir(), 'golden-'));
    folder = pathToFileURL(`${path}/`);
  });
  afterEach(() => rm(path, { recursive: true }));
  const put = (name: string, text: string): Promise<void> => writeFile(join(path, name), text);

  it('are read in the order of their names, with all their documents', async () => {
    await put('b.input.yaml', 'x: 1\n---\nx: 2\n');
    await put('b.output.yaml', 'sum: 3\n');
    await put('a.input.yaml', '{}\n');
    await put('README.md', 'not a pair');
    const [a, b] = await readGoldenPairs(folder);
    expect(a).toMatchObject({ name: 'a', input: [{}], output: undefined });
    expect(b).toMatchObject({ name: 'b', input: [{ x: 1 }, { x: 2 }], output: [{ sum: 3 }] });
  });

  it('give back what was saved', async () => {
    await put('a.input.yaml', 'x: 1\n');
    const output = [{ list: ['on', 1, null], text: 'two\nlines\n' }, { second: true }];
    await (await readGoldenPairs(folder))[0]?.save(output);
    expect((await readGoldenPairs(folder))[0]?.output).toEqual(output);
  });

  it('are missed loudly', async () => {
    await expect(readGoldenPairs(folder)).rejects.toThrow(/has no \*\.input\.yaml/);
    await put('a.input.yaml', 'x: 1\n');
    await put('renamed.output.yaml', 'x: 1\n');
    await expect(readGoldenPairs(folder)).rejects.toThrow(/renamed\.output\.yaml has no input beside it/);
    await put('renamed.input.yaml', 'x: [\n');
    await expect(readGoldenPairs(folder)).rejects.toMatchObject({ code: 'YamlInvalid' });
  });
});
