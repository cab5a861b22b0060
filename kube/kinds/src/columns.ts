/** Table columns: what `kubectl get` shows, computed by the server (meta/v1 Table). */
import type { JsonObject, JsonValue } from '@polyanthus/kube-objects/meta';

export interface TableColumn {
  readonly name: string;
  /** OpenAPI type of the cells: `string`, `integer`, `number`, `boolean`, `date`. */
  readonly type: string;
  readonly format: string;
  readonly description: string;
  /** 0 is always shown; 1 only with `-o wide`. */
  readonly priority: number;
  /** The cell of one object. `nowMs` is wall time, for ages. */
  readonly cell: (object: JsonObject, nowMs: number) => JsonValue;
}

/** One entry of a CRD's `additionalPrinterColumns`. */
export interface PrinterColumn {
  readonly name: string;
  readonly type: string;
  readonly format?: string;
  readonly description?: string;
  readonly priority?: number;
  readonly jsonPath: string;
}

/** Columns of a custom kind: NAME, then those of the CRD, or AGE when it has none. */
export function crdColumns(_columns: readonly PrinterColumn[] | undefined): TableColumn[] {
  throw new Error('not built yet');
}
