/** Server-side apply and the tracking of who set which field (structured-merge-diff, apimachinery managedfields). */
import type { JsonObject } from './meta.ts';
import type { Schema } from './schema.ts';

interface ManagedWrite {
  readonly schema: Schema;
  /** The field manager's name, at most 128 printable characters. */
  readonly manager: string;
  /** RFC 3339 of this write, whole seconds. */
  readonly now: string;
  /** Of the endpoint that is written: `apps/v1`. */
  readonly apiVersion: string;
  /** `status`, `scale`…; absent for the object itself. */
  readonly subresource?: string | undefined;
  /** Fields that this endpoint never changes, so nobody comes to own them: `[['status']]` or `[['spec'], ['metadata']]`. */
  readonly resetFields?: readonly (readonly string[])[] | undefined;
}

export interface ApplyOptions extends ManagedWrite {
  /** What is stored now, with its managedFields; absent when apply creates it. */
  readonly live: JsonObject | undefined;
  /** The applied configuration: only what the manager wants to own. */
  readonly config: JsonObject;
  readonly force: boolean;
}

export interface TrackOptions extends ManagedWrite {
  /** Absent on create. */
  readonly before: JsonObject | undefined;
  readonly after: JsonObject;
}

/**
 * The object after applying `config`, with managedFields. Throws Conflict with one cause a field that another manager
 * owns, BadRequest and Invalid for a configuration that is not well formed.
 */
export function applyConfiguration(_options: ApplyOptions): JsonObject {
  throw new Error('not built yet');
}

/** `after` with managedFields that say what this update changed. */
export function trackUpdate(_options: TrackOptions): JsonObject {
  throw new Error('not built yet');
}
