/** Where a URL path leads: the routing half of apiserver's RequestInfo (who may go there is judged by kube/access). */

export type Target =
  | {
      readonly kind: 'resource';
      readonly group: string;
      readonly version: string;
      readonly resource: string;
      readonly namespace: string;
      readonly name: string;
      /** `status`, `exec`, or `proxy/a/b`. */
      readonly subresource: string;
      /** The deprecated `/watch/` paths. */
      readonly watch: boolean;
    }
  | { readonly kind: 'other'; readonly path: string };

/** Reads a path (no query). Undecodable percent escapes lead nowhere. */
export function targetOf(path: string): Target {
  const parts = decodeParts(path);
  if (parts === undefined) return { kind: 'other', path };
  const core = parts[0] === 'api' && parts.length >= 3;
  if (!core && !(parts[0] === 'apis' && parts.length >= 4)) return { kind: 'other', path };
  const [group, version] = core ? ['', parts[1] ?? ''] : [parts[1] ?? '', parts[2] ?? ''];
  let rest = parts.slice(core ? 2 : 3);
  const watch = rest[0] === 'watch';
  if (watch) rest = rest.slice(1);
  const resource = resourceOf(rest);
  return resource === undefined ? { kind: 'other', path } : { kind: 'resource', group, version, watch, ...resource };
}

function resourceOf(
  rest: readonly string[],
): { resource: string; namespace: string; name: string; subresource: string } | undefined {
  if (rest[0] === undefined || rest[0] === '') return undefined;
  // `namespaces/x/status` and `namespaces/x/finalize` are subresources of the namespace itself.
  if (rest[0] === 'namespaces' && rest.length > 2 && rest[2] !== 'status' && rest[2] !== 'finalize') {
    return {
      namespace: rest[1] ?? '',
      resource: rest[2] ?? '',
      name: rest[3] ?? '',
      subresource: rest.slice(4).join('/'),
    };
  }
  const name = rest[1] ?? '';
  const namespace = rest[0] === 'namespaces' ? name : '';
  return { resource: rest[0], namespace, name, subresource: rest.slice(2).join('/') };
}

function decodeParts(path: string): string[] | undefined {
  try {
    const parts = path
      .split('/')
      .filter((part) => part !== '')
      .map(decodeURIComponent);
    // No name has a slash, and store keys are joined with it.
    return parts.some((part) => part.includes('/')) ? undefined : parts;
  } catch {
    return undefined;
  }
}
