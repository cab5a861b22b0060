/** What goes into expressions, made of plain values: the library's own kinds stay in this room. */
import { celList, celMap, type CelInput } from '@bufbuild/cel';
import { durationFromMs, timestampFromMs } from '@bufbuild/protobuf/wkt';

/** A value of an expression; whole numbers are bigint, others number. Opaque: made by the functions of this file. */
export type ExpressionValue = CelInput;

/** A list. */
export const listValue = (items: readonly ExpressionValue[]): ExpressionValue => celList(items);

/** A map, or an object by its fields. */
export const mapValue = (entries: ReadonlyMap<string, ExpressionValue>): ExpressionValue => celMap(entries);

/** A moment, milliseconds since the Unix epoch. */
export const timestampValue = (ms: number): ExpressionValue => timestampFromMs(ms);

/** A span of time in milliseconds. */
export const durationValue = (ms: number): ExpressionValue => durationFromMs(ms);
