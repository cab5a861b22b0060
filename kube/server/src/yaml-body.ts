/** YAML request bodies: apply patches written by hand. */
import type { JsonValue } from '@polyanthus/kube-objects/meta';
import { statusError } from '@polyanthus/kube-objects/status';

/** Parses one YAML document; the library is loaded when the first one comes. Throws BadRequest. */
export async function parseYamlBody(bytes: Uint8Array): Promise<JsonValue> {
  const text = new TextDecoder().decode(bytes);
  const { parseYaml } = await import('@polyanthus/ground-yaml/parse');
  try {
    return parseYaml(text) as JsonValue;
  } catch (error) {
    throw statusError('BadRequest', `error decoding YAML: ${error instanceof Error ? error.message : String(error)}`);
  }
}
