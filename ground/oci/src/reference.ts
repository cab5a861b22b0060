/** Names of images in registries (distribution-spec v1.1, "Pulling manifests"). */
import { ociErrors } from './errors.ts';

/** `host[:port]/repository:tag`. */
export interface ImageReference {
  readonly host: string;
  readonly repository: string;
  readonly tag: string;
}

const lengthMax = 512;
const hostPattern = /^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i;
const partPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/**
 * Reads a name that says its registry: nothing is guessed, neither a registry nor a tag. Throws ImageReferenceInvalid.
 */
export function parseReference(text: string): ImageReference {
  const wrong = (reason: string): Error =>
    ociErrors.error('ImageReferenceInvalid', `image name ${JSON.stringify(text.slice(0, 80))}: ${reason}`);
  if (text.length > lengthMax) throw wrong(`it is longer than ${lengthMax} characters`);
  const slash = text.indexOf('/');
  const host = text.slice(0, Math.max(0, slash));
  if (!hostPattern.test(host) || !/[.:]|^localhost$/.test(host)) throw wrong('it does not begin with a registry');
  const rest = text.slice(slash + 1);
  const colon = rest.lastIndexOf(':');
  const [repository, tag] = [rest.slice(0, Math.max(0, colon)), rest.slice(colon + 1)];
  if (colon < 0 || !tagPattern.test(tag)) throw wrong('it does not end with :TAG');
  if (!repository.split('/').every((part) => partPattern.test(part)))
    throw wrong(`${JSON.stringify(repository)} is no repository: lower case letters, digits and separators only`);
  return { host, repository, tag };
}
