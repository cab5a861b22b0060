/** Whether a value has the JSON type of its schema (kube-openapi typeValidator). */
import { isList } from './json-value.ts';
import type { JsonValue } from './meta.ts';
import type { Schema } from './schema.ts';

interface Shape {
  readonly type: string;
  /** What go-openapi thinks the format of such a Go value is. */
  readonly format: string;
}

function shapeOf(value: JsonValue): Shape {
  if (value === null) return { type: 'null', format: '' };
  if (isList(value)) return { type: 'array', format: '' };
  if (typeof value === 'string') return { type: 'string', format: '' };
  if (typeof value === 'boolean') return { type: 'boolean', format: '' };
  if (typeof value === 'bigint') return { type: 'integer', format: 'int64' };
  if (typeof value !== 'number') return { type: 'object', format: '' };
  return Number.isInteger(value) ? { type: 'integer', format: 'int64' } : { type: 'number', format: 'float64' };
}

/** The value's type that is printed as the bad value, and the words after `… in body `. */
export interface TypeFault {
  readonly found: string;
  readonly words: string;
}

export function typeFault(value: JsonValue, schema: Schema): TypeFault | undefined {
  const types: readonly string[] =
    schema.intOrString === true ? ['integer', 'string'] : schema.type === undefined ? [] : [schema.type];
  if (types.length === 0) return undefined;
  const found = shapeOf(value);
  const fault = (wanted: string, shown: string): TypeFault => ({
    found: shown,
    words: `must be of type ${wanted}: ${JSON.stringify(shown)}`,
  });
  if (value === null) return schema.nullable === true ? undefined : fault(types.join(','), 'null');
  const fits = types.includes(found.type) || (found.type === 'integer' && types.includes('number'));
  const { format = '' } = schema;
  const numeric = types.includes('number') || types.includes('integer');
  const textual = found.type === 'string' || found.type === 'array';
  if (!textual && format !== '' && !fits && found.format !== format) return fault(format, found.format);
  // Whether a text with a format is good is the format's question.
  if (!numeric && format !== '' && textual) return undefined;
  return fits ? undefined : fault(types.join(','), found.type);
}
