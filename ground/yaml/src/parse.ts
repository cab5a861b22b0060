/** Kubernetes-flavoured YAML: many documents, bounded, positions in errors, duplicate keys refused. */
import { parseEvents, YAMLException, type Event } from 'js-yaml';
import { compose, type ComposedDocument } from './compose.ts';
import { yamlErrors } from './errors.ts';
import { yamlLimits, type YamlLimits } from './limits.ts';
import type { YamlValue } from './value.ts';

export interface ParseOptions {
  /** File or object that the text comes from; begins every message. */
  readonly name?: string;
  readonly limits?: Partial<YamlLimits>;
}

/** One document and the line where its content begins, from 1. */
export interface YamlDocument {
  readonly value: YamlValue;
  readonly line: number;
}

/** All documents that are not empty. Values are JSON; equal aliases are one object, so treat them as read-only. */
export function parseYamlDocuments(text: string, options: ParseOptions = {}): YamlDocument[] {
  return documents(text, options).filter((document) => document.value !== null);
}

/** The one document of a text; null when it is empty. More than one is YamlInvalid. */
export function parseYaml(text: string, options: ParseOptions = {}): YamlValue {
  const found = parseYamlDocuments(text, options);
  const second = found[1];
  if (second !== undefined)
    throw yamlErrors.error(
      'YamlInvalid',
      `${options.name ?? 'YAML'}:${second.line}: one document is expected and here begins another`,
    );
  return found[0]?.value ?? null;
}

function documents(text: string, options: ParseOptions): ComposedDocument[] {
  const name = options.name ?? 'YAML';
  const limits = { ...yamlLimits, ...options.limits };
  if (text.length > limits.bytesMax)
    throw yamlErrors.error(
      'YamlTooLarge',
      `${name}: the text has ${text.length} characters; at most ${limits.bytesMax} are read`,
    );
  return compose({ name, text, limits, events: eventsOf(text, name, limits) });
}

function eventsOf(text: string, name: string, limits: YamlLimits): Event[] {
  try {
    return parseEvents(text, { maxDepth: limits.depthMax });
  } catch (cause) {
    if (!(cause instanceof YAMLException)) throw cause;
    const { reason, mark } = cause as { reason?: string; mark?: { line: number; column: number } };
    const at = mark === undefined ? '' : `:${mark.line + 1}:${mark.column + 1}`;
    const code = /depth|nesting/i.test(reason ?? '') ? 'YamlTooLarge' : 'YamlInvalid';
    throw yamlErrors.error(code, `${name}${at}: ${reason ?? 'not valid YAML'}`, { cause });
  }
}
