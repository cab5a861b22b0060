/** What an admission plugin is. */
import type { ApiObject } from '../api-object.ts';
import type { Scope } from '../scope.ts';

/** What is done to the object. */
export type Operation = 'CREATE' | 'UPDATE' | 'DELETE';

/** Returns the object, maybe changed; throws StatusError to refuse. `before` is absent on create. */
export type AdmissionPlugin = (
  scope: Scope,
  operation: Operation,
  object: ApiObject,
  before: ApiObject | undefined,
) => ApiObject | Promise<ApiObject>;
