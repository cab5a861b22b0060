/** CRD schemas: the structural rules of apiextensions, and reading into `Schema`. */
import type { StatusCause } from './status.ts';
import type { Schema } from './schema.ts';

export function readStructural(_json: unknown): Schema {
  throw new Error('not built yet');
}

/** What makes a CRD's schema not structural, as kube-apiserver words it; `path` is the field of the schema in the CRD. */
export function structuralErrors(_json: unknown, _path: string): StatusCause[] {
  throw new Error('not built yet');
}
