/** A webhook that is to be asked. */
import type { ResourceDefinition } from '../../registry/definition.ts';
import type { ObjectKind } from './attributes.ts';
import type { Hook } from './hooks.ts';

/** A webhook, and the version of the resource that it knows. */
export interface Invocation {
  readonly hook: Hook;
  readonly definition: ResourceDefinition;
  readonly kind: ObjectKind;
}
