/** From the parser's events to values, by the rules of Kubernetes. */
import { EVENT_ID, SCALAR_STYLE, getScalarValue, type Event, type ScalarEvent } from 'js-yaml';
import { yamlErrors } from './errors.ts';
import type { YamlLimits } from './limits.ts';
import { numberKey, resolvePlain } from './scalar.ts';
import type { YamlObject, YamlValue } from './value.ts';

export interface ComposedDocument {
  readonly value: YamlValue;
  readonly line: number;
}

interface Source {
  readonly name: string;
  readonly text: string;
  readonly limits: YamlLimits;
  readonly events: readonly Event[];
}

/** A value and how many nodes it has when all aliases are written out. */
interface Sized {
  readonly value: YamlValue;
  readonly nodes: number;
}

/** All documents, empty ones included. */
export function compose(source: Source): ComposedDocument[] {
  return new Composer(source).documents();
}

class Composer {
  readonly #source: Source;
  readonly #events: readonly Event[];
  #at = 0;
  #anchors = new Map<string, Sized | 'open'>();
  #total = 0;
  #line = 1;
  #lineAt = 0;

  constructor(source: Source) {
    this.#source = source;
    this.#events = source.events;
  }

  documents(): ComposedDocument[] {
    const found: ComposedDocument[] = [];
    while (this.#at < this.#events.length) {
      this.#next(); // the document itself
      this.#anchors = new Map();
      const first = this.#peek();
      const start = offsetOf(first);
      const value = first.type === EVENT_ID.POP ? null : this.#node().value;
      if (this.#next().type !== EVENT_ID.POP) throw new Error('a document with two roots');
      if (found.length >= this.#source.limits.documentsMax)
        throw this.#tooLarge(`more than ${this.#source.limits.documentsMax} documents`, start);
      found.push({ value, line: this.#lineOf(start) });
    }
    return found;
  }

  #node(): Sized {
    const event = this.#next();
    if (event.type === EVENT_ID.ALIAS) return this.#alias(event);
    if (event.type === EVENT_ID.DOCUMENT || event.type === EVENT_ID.POP) throw new Error('an event in the wrong place');
    const anchor = event.anchorStart < 0 ? undefined : this.#source.text.slice(event.anchorStart, event.anchorEnd);
    if (anchor !== undefined) this.#anchors.set(anchor, 'open');
    const sized =
      event.type === EVENT_ID.SCALAR
        ? { value: this.#scalar(event), nodes: 1 }
        : event.type === EVENT_ID.SEQUENCE
          ? this.#sequence()
          : this.#mapping();
    if (anchor !== undefined) this.#anchors.set(anchor, sized);
    this.#count(1, offsetOf(event));
    return sized;
  }

  #alias(event: { readonly anchorStart: number; readonly anchorEnd: number }): Sized {
    const name = this.#source.text.slice(event.anchorStart, event.anchorEnd);
    const target = this.#anchors.get(name);
    if (target === undefined) throw this.#invalid(`the alias *${name} has no anchor`, event.anchorStart);
    if (target === 'open') throw this.#invalid(`the anchor &${name} contains itself`, event.anchorStart);
    this.#count(target.nodes, event.anchorStart);
    return target;
  }

  #sequence(): Sized {
    const items: YamlValue[] = [];
    let nodes = 1;
    while (this.#peek().type !== EVENT_ID.POP) {
      const item = this.#node();
      items.push(item.value);
      nodes += item.nodes;
    }
    this.#next();
    return { value: items, nodes };
  }

  #mapping(): Sized {
    const out: Record<string, YamlValue> = {};
    const merged: YamlObject[] = [];
    let nodes = 1;
    while (this.#peek().type !== EVENT_ID.POP) {
      const keyEvent = this.#peek();
      const isMerge = this.#isMerge(keyEvent);
      const key = isMerge ? '<<' : this.#key(keyEvent);
      if (isMerge) this.#next();
      const value = this.#node();
      nodes += value.nodes + 1;
      if (isMerge) merged.push(...this.#mergeSources(value.value, offsetOf(keyEvent)));
      else if (Object.hasOwn(out, key))
        throw this.#invalid(`the key ${JSON.stringify(key)} is there twice`, offsetOf(keyEvent));
      else put(out, key, value.value);
    }
    this.#next();
    for (const one of merged)
      for (const [key, value] of Object.entries(one)) if (!Object.hasOwn(out, key)) put(out, key, value ?? null);
    return { value: out, nodes };
  }

  #isMerge(event: Event): boolean {
    return (
      event.type === EVENT_ID.SCALAR &&
      event.tagStart < 0 &&
      event.style === SCALAR_STYLE.PLAIN &&
      this.#source.text.slice(event.valueStart, event.valueEnd) === '<<'
    );
  }

  #mergeSources(value: YamlValue, at: number): YamlObject[] {
    const list = Array.isArray(value) ? (value as YamlValue[]) : [value];
    if (!list.every((one): one is YamlObject => typeof one === 'object' && one !== null && !Array.isArray(one))) {
      throw this.#invalid('only mappings can be merged with <<', at);
    }
    return list;
  }

  /** Keys become strings as sigs.k8s.io/yaml makes them: numbers and booleans by their value, nothing else. */
  #key(event: Event): string {
    const { value } = this.#node();
    if (typeof value === 'string') return value;
    if (typeof value === 'boolean') return String(value);
    if (typeof value === 'number' || typeof value === 'bigint')
      return numberKey(event.type === EVENT_ID.SCALAR ? getScalarValue(this.#source.text, event) : '', value);
    throw this.#invalid('a key must be a string', offsetOf(event));
  }

  #scalar(event: ScalarEvent): YamlValue {
    const text = getScalarValue(this.#source.text, event);
    const tag = event.tagStart < 0 ? '' : this.#source.text.slice(event.tagStart, event.tagEnd);
    if (tag !== '') return this.#tagged(tag, text, event);
    if (event.style !== SCALAR_STYLE.PLAIN) return text;
    const value = resolvePlain(text);
    if (value === undefined) throw this.#invalid(`${text} is not a JSON number`, offsetOf(event));
    return value;
  }

  #tagged(tag: string, text: string, event: ScalarEvent): YamlValue {
    const kind = tag.replace(/^!<?(tag:yaml\.org,2002:|!)?/, '').replace(/>$/, '');
    if (kind === 'binary') return Buffer.from(text, 'base64').toString('utf8');
    const wanted = wantedTypes[kind];
    if (wanted === undefined) return text;
    const value = resolvePlain(text);
    const type = value === null ? 'null' : typeof value === 'bigint' ? 'number' : typeof value;
    if (value === undefined || type !== wanted)
      throw this.#invalid(`${JSON.stringify(text)} is not a ${kind}`, offsetOf(event));
    return value;
  }

  #count(nodes: number, at: number): void {
    this.#total += nodes;
    if (this.#total > this.#source.limits.nodesMax)
      throw this.#tooLarge(`more than ${this.#source.limits.nodesMax} values, aliases written out`, at);
  }

  #peek(): Event {
    const event = this.#events[this.#at];
    if (event === undefined) throw new Error('the parser ended early');
    return event;
  }

  #next(): Event {
    const event = this.#peek();
    this.#at++;
    return event;
  }

  /** For offsets in rising order: a text of many documents is counted through once. */
  #lineOf(offset: number): number {
    for (
      let at = this.#source.text.indexOf('\n', this.#lineAt);
      at >= 0 && at < offset;
      at = this.#source.text.indexOf('\n', this.#lineAt)
    ) {
      this.#line++;
      this.#lineAt = at + 1;
    }
    return this.#line;
  }

  #place(offset: number): { readonly line: number; readonly column: number } {
    const before = this.#source.text.slice(0, Math.max(0, offset));
    const lines = before.split('\n');
    return { line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1 };
  }

  #invalid(what: string, offset: number): Error {
    const { line, column } = this.#place(offset);
    return yamlErrors.error('YamlInvalid', `${this.#source.name}:${line}:${column}: ${what}`);
  }

  #tooLarge(what: string, offset: number): Error {
    const { line, column } = this.#place(offset);
    return yamlErrors.error('YamlTooLarge', `${this.#source.name}:${line}:${column}: ${what}`);
  }
}

const wantedTypes: Readonly<Record<string, string>> = { int: 'number', float: 'number', bool: 'boolean', null: 'null' };

function offsetOf(event: Event): number {
  if (event.type === EVENT_ID.SCALAR) return event.valueStart;
  if (event.type === EVENT_ID.MAPPING || event.type === EVENT_ID.SEQUENCE) return event.start;
  return event.type === EVENT_ID.ALIAS ? event.anchorStart : -1;
}

/** `__proto__` is a key like any other. */
function put(out: Record<string, YamlValue>, key: string, value: YamlValue): void {
  if (key === '__proto__')
    Object.defineProperty(out, key, { value, enumerable: true, writable: true, configurable: true });
  else out[key] = value;
}
