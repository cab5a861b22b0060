/** YAML request bodies (apply patches written by hand); loaded only when one comes. */
import type { JsonValue } from '@polyanthus/kube-objects/meta';
import { statusError } from '@polyanthus/kube-objects/status';

/** Parses one YAML document. Throws BadRequest. JSON is YAML too. */
export async function parseYamlBody(bytes: Uint8Array): Promise<JsonValue> {
  const text = new TextDecoder().decode(bytes);
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    throw statusError('BadRequest', 'error parsing YAML: YAML bodies are not read yet; send JSON');
  }
}
