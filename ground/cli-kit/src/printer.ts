/** `-o json|yaml|wide|name` for lists of objects, one way for every command. */
import { dumpYaml } from '@polyanthus/ground-yaml/dump';
import type { YamlValue } from '@polyanthus/ground-yaml/value';
import type { OptionSpec } from './command.ts';
import { cliErrors } from './errors.ts';
import { renderTable } from './table.ts';

/** The option that commands with printable results share. */
export const outputOption: OptionSpec = {
  name: 'output',
  short: 'o',
  kind: 'string',
  value: 'FORMAT',
  choices: ['json', 'yaml', 'wide', 'name'],
  help: 'output format instead of the table: json, yaml, wide or name',
};

/** A column; `wide` ones appear with -o wide only. */
export interface Column<T> {
  readonly heading: string;
  readonly cell: (item: T) => string;
  readonly wide?: boolean;
}

/** How one type is shown. */
export interface Listing<T> {
  readonly columns: readonly Column<T>[];
  /** `resource/name`, for -o name. */
  readonly name: (item: T) => string;
}

/** Renders one item (`single`) or many; json and yaml of many are a v1 List. */
export function render<T>(
  listing: Listing<T>,
  items: readonly T[],
  format: string | undefined,
  single = false,
): string {
  switch (format) {
    case 'json':
      return `${JSON.stringify(wrap(items, single), undefined, 4)}\n`;
    case 'yaml':
      return dumpYaml(wrap(items, single) as YamlValue);
    case 'name':
      return items.map((item) => `${listing.name(item)}\n`).join('');
    case 'wide':
    case undefined: {
      const columns = listing.columns.filter((column) => format === 'wide' || column.wide !== true);
      return renderTable(
        columns.map((column) => column.heading),
        items.map((item) => columns.map((column) => column.cell(item))),
      );
    }
    default:
      throw cliErrors.error('UnknownOutputFormat', `-o ${format}: this command knows json, yaml, wide and name`);
  }
}

function wrap(items: readonly unknown[], single: boolean): unknown {
  return single && items.length === 1 ? items[0] : { apiVersion: 'v1', kind: 'List', metadata: {}, items };
}
