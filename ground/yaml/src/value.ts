/** What YAML may mean here: JSON, with integers beyond 2^53 as bigint. */
export type YamlValue = null | boolean | number | bigint | string | readonly YamlValue[] | YamlObject;
export interface YamlObject {
  readonly [key: string]: YamlValue | undefined;
}
