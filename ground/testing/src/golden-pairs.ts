/** Golden pairs: `testdata/<case>.input.yaml` and what should come of it, `testdata/<case>.output.yaml`. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { dumpYamlDocuments } from '@polyanthus/ground-yaml/dump';
import { parseYamlDocuments } from '@polyanthus/ground-yaml/parse';
import type { YamlValue } from '@polyanthus/ground-yaml/value';

/** One pair. */
export interface GoldenCase {
  /** The file name before `.input.yaml`. */
  readonly name: string;
  /** The documents of the input, in order. */
  readonly input: readonly YamlValue[];
  /** The documents that should come out; undefined while nobody has written them. */
  readonly output: readonly YamlValue[] | undefined;
  /** Replaces the output file; for a test run that was asked to, after which the difference is read by a person. */
  save(output: readonly YamlValue[]): Promise<void>;
}

/** Files in a folder of pairs at most. */
const filesMax = 1_000;
const inputEnd = '.input.yaml';
const outputEnd = '.output.yaml';

/**
 * The pairs of a folder (`new URL('../testdata/', import.meta.url)`), sorted by name. Throws when the folder holds no
 * pair or an output without its input: a renamed file must not silently take its test away.
 */
export async function readGoldenPairs(folder: URL): Promise<readonly GoldenCase[]> {
  const files = new Set(await readdir(folder));
  if (files.size > filesMax) throw new Error(`${folder.pathname} has more than ${filesMax} files`);
  const namesOf = (end: string): string[] =>
    [...files]
      .filter((file) => file.endsWith(end))
      .map((file) => file.slice(0, -end.length))
      .sort();
  const names = namesOf(inputEnd);
  if (names.length === 0) throw new Error(`${folder.pathname} has no *${inputEnd}`);
  const orphan = namesOf(outputEnd).find((name) => !files.has(name + inputEnd));
  if (orphan !== undefined) throw new Error(`${folder.pathname}${orphan}${outputEnd} has no input beside it`);
  return Promise.all(names.map((name) => readPair(folder, name, files.has(name + outputEnd))));
}

async function readPair(folder: URL, name: string, hasOutput: boolean): Promise<GoldenCase> {
  const outputFile = new URL(name + outputEnd, folder);
  return {
    name,
    input: await readDocuments(new URL(name + inputEnd, folder)),
    output: hasOutput ? await readDocuments(outputFile) : undefined,
    save: (output) => writeFile(outputFile, dumpYamlDocuments(output)),
  };
}

async function readDocuments(file: URL): Promise<readonly YamlValue[]> {
  return parseYamlDocuments(await readFile(file, 'utf8'), { name: file.pathname }).map((document) => document.value);
}
