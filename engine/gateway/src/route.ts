/** Where a URL leads: to a member of a fleet, or to the hub's own API. */

export type Route =
  | { readonly kind: 'hub' }
  | {
      readonly kind: 'member';
      readonly fleet: string;
      readonly membership: string;
      /** Path and query at the member. */ readonly url: string;
    }
  | { readonly kind: 'refused'; readonly why: string };

const memberPattern = /^\/v1\/projects\/([^/]+)\/locations\/global\/(?:memberships|gkeMemberships)\/([^/]+)(\/.*)?$/;
/** DNS-1123 label; project numbers of existing kubeconfigs pass too. */
const label = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const urlBytesMax = 32 * 1024;

/** Where a member is at the hub. */
export function memberPath(fleet: string, membership: string): string {
  return `/v1/projects/${fleet}/locations/global/memberships/${membership}`;
}

/**
 * Reads the request target. Refused is every path that a member could read in another way than we do: dot segments,
 * empty segments, encoded slashes, backslashes and controls, encodings of letters that need none, anything but origin form.
 */
export function routeOf(url: string): Route {
  if (url.length > urlBytesMax) return { kind: 'refused', why: `the URL is longer than ${urlBytesMax} bytes` };
  if (!url.startsWith('/')) return { kind: 'refused', why: 'the request target must begin with a slash' };
  const queryAt = url.indexOf('?');
  const path = queryAt < 0 ? url : url.slice(0, queryAt);
  if (!path.startsWith('/v1/')) return { kind: 'hub' };
  const why = pathFault(path);
  if (why !== undefined) return { kind: 'refused', why };
  const [, fleet = '', membership = '', rest = '/'] = memberPattern.exec(path) ?? [];
  if (!label.test(fleet) || !label.test(membership)) {
    return { kind: 'refused', why: 'expected /v1/projects/{fleet}/locations/global/memberships/{name}/…' };
  }
  return { kind: 'member', fleet, membership, url: rest + (queryAt < 0 ? '' : url.slice(queryAt)) };
}

/** Why a path is ambiguous, or undefined. */
export function pathFault(path: string): string | undefined {
  for (let index = 0; index < path.length; index++) {
    const code = path.charCodeAt(index);
    if (code <= 0x20 || code >= 0x7f || code === 0x5c || code === 0x23)
      return 'the path has a control character, a space, a backslash, a fragment or bytes that are not ASCII';
  }
  if (/%(?![0-9a-f]{2})/i.test(path)) return 'the path has a percent sign that encodes nothing';
  if (/%(?:2f|5c|[01][0-9a-f]|7f)/i.test(path)) return 'the path encodes a slash, a backslash or a control character';
  if (/%(?:2d|2e|3[0-9]|4[1-9a-f]|5[0-9a]|5f|6[1-9a-f]|7[0-9a]|7e)/i.test(path))
    return 'the path encodes characters that need no encoding';
  const segments = path.split('/').slice(1);
  if (segments.some((segment) => segment === '.' || segment === '..')) return 'the path has dot segments';
  if (segments.slice(0, -1).includes('')) return 'the path has empty segments';
  return undefined;
}
