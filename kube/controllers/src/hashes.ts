/** Short hashes in names and labels, as kube-controller-manager writes them. */

/**
 * JSON as Go's encoding/json writes a map: keys in order, and <, > and & escaped. Numbers of templates are integers or
 * quantities in strings, so both languages print the same.
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return goEscaped(JSON.stringify(value) ?? 'null');
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  return `{${entries
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, each]) => `${goEscaped(JSON.stringify(key))}:${canonicalJson(each)}`)
    .join(',')}}`;
}

function goEscaped(json: string): string {
  return json.replace(/[<>&\u2028\u2029]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** 32-bit FNV-1 of the text's UTF-8. */
export function fnv1(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = (Math.imul(hash, 0x01000193) ^ byte) >>> 0;
  return hash;
}

/** 32-bit FNV-1a of the text's UTF-8. */
export function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}

/** The digits of a number in the alphabet of Kubernetes' names, which spells no words. */
export function safeDigits(number: number): string {
  const alphabet = 'bcdfghjklmnpqrstvwxz2456789';
  return Array.from(String(number), (digit) => alphabet[digit.charCodeAt(0) % alphabet.length]).join('');
}
