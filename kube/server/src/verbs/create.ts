/** POST to a collection. */
import type { ServerResponse } from '@polyanthus/ground-http/message';
import { readObject } from '../codec.ts';
import { applyKindDefaults } from '../kinds/defaults.ts';
import { objectAnswer } from '../render.ts';
import type { Scope } from '../scope.ts';
import { createObject } from '../writes.ts';

export async function createVerb(scope: Scope): Promise<ServerResponse> {
  const draft = applyKindDefaults(scope.definition, await readObject(scope));
  const { stored } = await createObject(scope, draft);
  return objectAnswer(scope, 201, stored);
}
