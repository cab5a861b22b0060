/** A look at a JSON body before it is parsed: how deep, integers that a double cannot hold, duplicate keys. */

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
  /** Paths of keys that occur twice in their object: `spec.replicas`, `spec.containers[0].name`. */
  readonly duplicateKeys: readonly string[];
}

/** Scans; does not check the syntax beyond what it needs. Throws BadRequest when too deep. */
export function scanJson(_bytes: Uint8Array, _options: ScanOptions): ScanResult {
  throw new Error('not built yet');
}
