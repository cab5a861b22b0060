/** What YAML may mean here: JSON, with integers beyond 2^53 as bigint. */
export type YamlValue = null | boolean | number | bigint | string | readonly YamlValue[] | YamlObject;
/** A mapping of a YAML document whose keys are text. */
export interface YamlObject {
  readonly [key: string]: YamlValue | undefined;
}
