/** JSON in and out without losing integers: those beyond 2^53 that fit 64 bits are bigint, as Go's int64 keeps them. */
import { scanJson, type ScanResult } from './byte-scan.ts';
import type { JsonValue } from './meta.ts';
import { statusError } from './status.ts';

/** As deep as Go's encoding/json goes. */
const defaultMaxDepth = 10_000;
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const encoder = new TextEncoder();

type SourceReviver = (key: string, value: unknown, context?: { readonly source?: string }) => unknown;
const json = JSON as unknown as {
  rawJSON(text: string): unknown;
  parse(text: string, reviver?: SourceReviver): unknown;
};

const fitsInt64 = (value: bigint): boolean => BigInt.asIntN(64, value) === value;

const exactIntegers: SourceReviver = (_key, value, context) => {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value;
  const source = context?.source;
  if (source === undefined || !/^-?\d+$/.test(source)) return value;
  const exact = BigInt(source);
  return fitsInt64(exact) ? exact : value;
};

function parseText(text: string, exact: boolean): JsonValue {
  try {
    return (exact ? json.parse(text, exactIntegers) : JSON.parse(text)) as JsonValue;
  } catch (error) {
    throw statusError('BadRequest', `json parse error: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/**
 * Parses a body. Of repeated keys the last one counts; bytes that are no UTF-8 become U+FFFD, as in Go. Throws BadRequest
 * for bad syntax or a depth above `maxDepth` (10,000).
 */
export function parseJson(bytes: Uint8Array, options: { readonly maxDepth?: number } = {}): JsonValue {
  return parseScanned(bytes, scanJson(bytes, { maxDepth: options.maxDepth ?? defaultMaxDepth }));
}

/** The same for a body that `scanJson` has been through. */
export function parseScanned(bytes: Uint8Array, { bigIntegers }: Pick<ScanResult, 'bigIntegers'>): JsonValue {
  return parseText(decoder.decode(bytes), bigIntegers);
}

function writeBigint(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? json.rawJSON(value.toString()) : value;
}

/** The text of a value; bigint is written as an integer. `undefined` members are left out. */
export function stringifyJson(value: JsonValue): string {
  try {
    return JSON.stringify(value);
  } catch (error) {
    // Only a bigint makes it throw here, and a replacer for every value would cost all the others dearly.
    if (!(error instanceof TypeError)) throw error;
    return JSON.stringify(value, writeBigint);
  }
}

/** UTF-8 of `stringifyJson`. */
export function encodeJson(value: JsonValue): Uint8Array {
  return encoder.encode(stringifyJson(value));
}
