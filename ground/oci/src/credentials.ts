/** Credentials of registries in the file that `docker login`, `podman login` and `skopeo login` write. */
import { ociErrors } from './errors.ts';
import type { RegistryCredentials } from './registry.ts';

interface AuthFile {
  readonly auths?: Readonly<Record<string, { readonly auth?: unknown }>>;
}

/** What the text of such a file has for a registry's host; undefined when it has nothing. Throws AuthFileInvalid. */
export function credentialsIn(text: string, host: string): RegistryCredentials | undefined {
  const entry = parsed(text).auths?.[host];
  if (entry === undefined) return undefined;
  const plain = typeof entry.auth === 'string' ? Buffer.from(entry.auth, 'base64').toString('utf8') : '';
  const colon = plain.indexOf(':');
  if (colon < 1)
    throw ociErrors.error('AuthFileInvalid', `auths[${JSON.stringify(host)}].auth is not name:password in base64`);
  return { username: plain.slice(0, colon), password: plain.slice(colon + 1) };
}

function parsed(text: string): AuthFile {
  try {
    const value = JSON.parse(text) as unknown;
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // Said below, without the text: it holds secrets.
  }
  throw ociErrors.error('AuthFileInvalid', 'the file of registry credentials is no JSON object');
}
