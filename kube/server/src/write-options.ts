/** `?dryRun` and `?fieldValidation`, checked before anything is done. */
import { notSupported } from '@polyanthus/kube-objects/field-errors';
import { invalidOptions } from './invalid.ts';
import type { Scope } from './scope.ts';

const kinds: Readonly<Record<string, string>> = {
  create: 'CreateOptions',
  update: 'UpdateOptions',
  patch: 'PatchOptions',
  delete: 'DeleteOptions',
  deletecollection: 'DeleteOptions',
};

const validations = ['', 'Ignore', 'Strict', 'Warn'];

/** Throws Invalid for words that mean nothing. */
export function checkWriteOptions({ query }: Pick<Scope, 'query'>, verb: string): void {
  const kind = kinds[verb];
  if (kind === undefined) return;
  const dryRun = query.getAll('dryRun').filter((value) => value !== '');
  if (dryRun.some((value) => value !== 'All')) throw invalidOptions(kind, notSupported('dryRun', dryRun, ['All']));
  const validation = query.get('fieldValidation') ?? '';
  if (!validations.includes(validation))
    throw invalidOptions(kind, notSupported('fieldValidation', validation, validations));
}
