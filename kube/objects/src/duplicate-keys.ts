/** Finds keys that occur twice in one object of a JSON text, where JSON.parse silently keeps the last. */

/** kube-apiserver's strict decoder stops there as well. */
const mostReported = 100;

interface Level {
  /** Undefined for a list. */
  readonly keys: Set<string> | undefined;
  /** Path up to and with the container. */
  readonly path: string;
  /** Where the walk is inside: the current key, or the index. */
  key: string;
  index: number;
}

function pathInside(level: Level | undefined): string {
  if (level === undefined) return '';
  if (level.keys === undefined) return `${level.path}[${level.index}]`;
  return level.path === '' ? level.key : `${level.path}.${level.key}`;
}

/** Index of the closing quote of the string that starts at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}

function decodeKey(literal: string): string {
  if (!literal.includes('\\')) return literal.slice(1, -1);
  try {
    return String(JSON.parse(literal));
  } catch {
    // Bad syntax: the parser refuses the body; here it only must not be taken for another key.
    return literal;
  }
}

/** Whether the string that ended at `end` is a key: a colon follows. */
function isKey(text: string, end: number): boolean {
  let at = end + 1;
  while (text[at] === ' ' || text[at] === '\n' || text[at] === '\t' || text[at] === '\r') at += 1;
  return text[at] === ':';
}

class Walk {
  readonly found: string[] = [];
  readonly #levels: Level[] = [];

  open(list: boolean): void {
    this.#levels.push({ keys: list ? undefined : new Set(), path: pathInside(this.#levels.at(-1)), key: '', index: 0 });
  }

  close(): void {
    this.#levels.pop();
  }

  comma(): void {
    const level = this.#levels.at(-1);
    if (level !== undefined) level.index += 1;
  }

  key(key: string): void {
    const level = this.#levels.at(-1);
    if (level?.keys === undefined) return;
    level.key = key;
    if (level.keys.has(key) && this.found.length < mostReported) this.found.push(pathInside(level));
    level.keys.add(key);
  }
}

/** Paths of the repeated keys in order, `spec.containers[0].name`; 100 at most. The text need not be well formed. */
export function duplicateKeys(text: string): string[] {
  const walk = new Walk();
  for (let at = 0; at < text.length; at += 1) {
    const mark = text[at];
    if (mark === '"') {
      const end = endOfString(text, at);
      if (isKey(text, end)) walk.key(decodeKey(text.slice(at, end + 1)));
      at = end;
    } else if (mark === '{' || mark === '[') walk.open(mark === '[');
    else if (mark === '}' || mark === ']') walk.close();
    else if (mark === ',') walk.comma();
  }
  return walk.found;
}
