/** A look at a JSON body before it is parsed: how deep, integers that a double cannot hold, duplicate keys. */
import { duplicateKeys } from './duplicate-keys.ts';
import { statusError, type StatusError } from './status.ts';

export interface ScanOptions {
  /** Deeper bodies are refused. */
  readonly maxDepth: number;
  /** Look for duplicate keys (fieldValidation Warn and Strict); costs a set of keys per object. */
  readonly duplicates?: boolean;
}
export interface ScanResult {
  /** 0 for a scalar. */
  readonly depth: number;
  /** Whether there is an integer literal beyond ±(2^53-1). */
  readonly bigIntegers: boolean;
  /** Paths of keys that occur twice in their object: `spec.replicas`, `spec.containers[0].name`; 100 at most. */
  readonly duplicateKeys: readonly string[];
}

const decoder = new TextDecoder();
const quote = 0x22;
const backslash = 0x5c;
const minus = 0x2d;
const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;

/** Every integer of up to 15 digits fits a double. */
const safeDigits = 15;

function tooDeep(maxDepth: number): StatusError {
  return statusError('BadRequest', `json: the object is nested deeper than the ${maxDepth} levels allowed`);
}

/** Index after the number that starts at `start`, negative (bitwise not) when it is an integer beyond 2^53. */
function skipNumber(bytes: Uint8Array, start: number): number {
  const first = bytes[start] === minus ? start + 1 : start;
  let at = first;
  while (at < bytes.length && isDigit(bytes[at] as number)) at += 1;
  if (at - first <= safeDigits) return at;
  const next = bytes[at];
  // A fraction or an exponent makes it a double anyway.
  if (next === 0x2e || next === 0x65 || next === 0x45) return at;
  let text = '';
  for (let index = start; index < at; index += 1) text += String.fromCharCode(bytes[index] as number);
  return Number.isSafeInteger(Number(text)) ? at : ~at;
}

function skipString(bytes: Uint8Array, start: number): number {
  let at = start + 1;
  for (; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (byte === quote) break;
    if (byte === backslash) at += 1;
  }
  return at + 1;
}

function scanShape(bytes: Uint8Array, maxDepth: number): { depth: number; bigIntegers: boolean } {
  let depth = 0;
  let deepest = 0;
  let bigIntegers = false;
  let at = 0;
  while (at < bytes.length) {
    const byte = bytes[at] as number;
    if (byte === quote) {
      at = skipString(bytes, at);
      continue;
    }
    if (byte === minus || isDigit(byte)) {
      const after = skipNumber(bytes, at);
      if (after < 0) bigIntegers = true;
      // A lone minus is no number: go on, the parser refuses it.
      at = Math.max(after < 0 ? ~after : after, at + 1);
      continue;
    }
    // `{` and `[` differ from their closing ones by 2; no other JSON byte shares these codes.
    if (byte === 0x7b || byte === 0x5b) {
      depth += 1;
      if (depth > deepest) {
        if (depth > maxDepth) throw tooDeep(maxDepth);
        deepest = depth;
      }
    } else if (byte === 0x7d || byte === 0x5d) depth -= 1;
    at += 1;
  }
  return { depth: deepest, bigIntegers };
}

/** Scans; does not check the syntax (the parser does). Throws BadRequest when too deep. */
export function scanJson(bytes: Uint8Array, options: ScanOptions): ScanResult {
  const shape = scanShape(bytes, options.maxDepth);
  return { ...shape, duplicateKeys: options.duplicates === true ? duplicateKeys(decoder.decode(bytes)) : [] };
}
