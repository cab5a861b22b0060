/** Editing a text so that comments, order and quoting of everything else stay. */
import { parseDocument, Scalar, visit, type Document } from 'yaml';
import { yamlErrors } from './errors.ts';
import { parseYaml } from './parse.ts';
import { isAmbiguous } from './scalar.ts';
import type { YamlValue } from './value.ts';

/** A position inside a document: keys and list indexes. */
export type YamlPath = readonly (string | number)[];

/** One document that is being edited. */
export interface EditableYaml {
  /** The value at a place, or undefined. */
  get(path: YamlPath): YamlValue | undefined;
  /** Sets a value; missing mappings on the way are made. */
  set(path: YamlPath, value: YamlValue): void;
  /** False when there was nothing. */
  delete(path: YamlPath): boolean;
  toString(): string;
}

/** Opens the first document of a text. Throws YamlInvalid with line and column. */
export function openYaml(text: string, name = 'YAML'): EditableYaml {
  const document: Document = parseDocument(text, { intAsBigInt: true, uniqueKeys: true });
  const [error] = document.errors;
  if (error !== undefined)
    throw yamlErrors.error(
      'YamlInvalid',
      `${name}:${error.linePos?.[0].line ?? 1}:${error.linePos?.[0].col ?? 1}: ${error.message.split('\n')[0] ?? ''}`,
      { cause: error },
    );
  return {
    get: (path) => {
      let value: YamlValue | undefined = parseYaml(document.toString(), { name });
      for (const step of path)
        value = typeof value === 'object' && value !== null ? (value as Record<string, YamlValue>)[step] : undefined;
      return value;
    },
    set: (path, value) => document.setIn(path, quoteAmbiguous(document.createNode(value))),
    delete: (path) => document.deleteIn(path),
    toString: () => document.toString({ lineWidth: 0, indentSeq: false }),
  };
}

/** What a YAML 1.1 reader would take for a boolean or a number is written in quotes. */
function quoteAmbiguous<N extends Parameters<typeof visit>[0]>(node: N): N {
  visit(node, {
    Scalar: (_key, scalar) => {
      if (typeof scalar.value === 'string' && isAmbiguous(scalar.value)) scalar.type = Scalar.QUOTE_DOUBLE;
    },
  });
  return node;
}
