/** Values as YAML in the form that kubectl prints: block style, two spaces, lists not indented under their key. */
import { isAmbiguous } from './scalar.ts';
import type { YamlObject, YamlValue } from './value.ts';

/** One document, ending in a newline. Keys stay in their order; `undefined` members are left out. */
export function dumpYaml(value: YamlValue): string {
  const lines: string[] = [];
  if (isBranch(value)) branch(value, '', lines);
  else lines.push(scalar(value, ''));
  return `${lines.join('\n')}\n`;
}

/** Several documents with `---` between them. */
export function dumpYamlDocuments(values: readonly YamlValue[]): string {
  return values.map(dumpYaml).join('---\n');
}

function branch(value: readonly YamlValue[] | YamlObject, indent: string, lines: string[]): void {
  if (isList(value)) for (const item of value) listItem(item, indent, lines);
  else
    for (const [key, member] of Object.entries(value)) if (member !== undefined) mapMember(key, member, indent, lines);
}

function mapMember(key: string, value: YamlValue, indent: string, lines: string[]): void {
  const head = `${indent}${plainOrQuoted(key)}:`;
  if (!isBranch(value)) return void lines.push(`${head} ${scalar(value, indent)}`);
  lines.push(head);
  branch(value, isList(value) ? indent : `${indent}  `, lines);
}

function listItem(value: YamlValue, indent: string, lines: string[]): void {
  if (!isBranch(value)) return void lines.push(`${indent}- ${scalar(value, indent)}`);
  const inner: string[] = [];
  branch(value, `${indent}  `, inner);
  // The first line of the item goes beside its dash.
  lines.push(`${indent}- ${(inner[0] ?? '').slice(indent.length + 2)}`);
  for (let index = 1; index < inner.length; index++) lines.push(inner[index] ?? '');
}

function scalar(value: YamlValue, indent: string): string {
  if (typeof value === 'string') return value.includes('\n') ? multiline(value, indent) : plainOrQuoted(value);
  if (value === null || typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  if (typeof value !== 'number') return isList(value) ? '[]' : '{}';
  if (!Number.isFinite(value)) throw new RangeError(`${value} is not a JSON number`);
  // Digits alone beyond 2^53 are read back as an exact integer, which a double of that size is not.
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? value.toExponential() : String(value);
}

const indicators = /^[-?:,[\]{}#&*!|>'"%@`\s]|^\.\.\./;
/** Everything that must be escaped: controls, the line breaks of YAML 1.1, byte order marks, lone surrogates. */
const special = /[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\u{10000}-\u{10ffff}]/u;
/** The same, where tabs and line feeds are at home. */
const specialInBlock = /[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\u{10000}-\u{10ffff}]/u;

function plainOrQuoted(text: string): string {
  if (special.test(text)) return quoted(text);
  const plain = text !== '' && !indicators.test(text) && !/: |:$| #|\s$/.test(text) && !isAmbiguous(text);
  return plain ? text : `'${text.replaceAll("'", "''")}'`;
}

function quoted(text: string): string {
  return JSON.stringify(text).replaceAll(
    /[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]/g,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** A literal block where it says the same, else quoted with escapes. */
function multiline(text: string, indent: string): string {
  const body = text.replace(/\n+$/, '');
  if (body === '' || specialInBlock.test(text) || /^[ \t\n]/.test(text) || /[ \t]$/.test(body)) return quoted(text);
  const newlines = text.length - body.length;
  const chomping = newlines === 0 ? '-' : newlines === 1 ? '' : '+';
  const lines = `${body}${'\n'.repeat(Math.max(0, newlines - 1))}`.split('\n');
  return `|${chomping}\n${lines.map((line) => (line === '' ? '' : `${indent}  ${line}`)).join('\n')}`;
}

function isList(value: YamlValue): value is readonly YamlValue[] {
  return Array.isArray(value);
}

/** Lists and mappings that have members; empty ones are written in one word. */
function isBranch(value: YamlValue): value is readonly YamlValue[] | YamlObject {
  if (typeof value !== 'object' || value === null) return false;
  return isList(value) ? value.length > 0 : Object.values(value).some((member) => member !== undefined);
}
