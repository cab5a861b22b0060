/** What a request asks of the member, by the rules of kube-apiserver's RequestInfo (apiserver endpoints/request/requestinfo.go). */

export interface Target {
  readonly isResourceRequest: boolean;
  /** get, list, watch, create, update, patch, delete, deletecollection; `watch` or `proxy` from the old path form; the method in lower case for other paths. */
  readonly verb: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
}

const verbs: Readonly<Record<string, string>> = {
  POST: 'create',
  GET: 'get',
  HEAD: 'get',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};
const pathVerbs: ReadonlySet<string> = new Set(['proxy', 'watch']);
/** The parts after a namespace's name that are not a resource in it. */
const namespaceSubresources: ReadonlySet<string> = new Set(['status', 'finalize']);

/** Reads a path and query that `routeOf` let through: no empty, dot or doubly readable segments. */
export function targetOf(method: string, url: string): Target {
  const queryAt = url.indexOf('?');
  const parts = (queryAt < 0 ? url : url.slice(0, queryAt))
    .split('/')
    .filter((part) => part !== '')
    .map(decode);
  const rest = afterVersion(parts);
  if (rest === undefined)
    return {
      isResourceRequest: false,
      verb: method.toLowerCase(),
      resource: '',
      subresource: '',
      namespace: '',
      name: '',
    };
  const byPath = pathVerbs.has(rest[0] ?? '') && rest.length > 1;
  const { namespace, at } = inNamespace(byPath ? rest.slice(1) : rest);
  const [resource = '', name = '', subresource = ''] = at;
  const plain = byPath ? (rest[0] ?? '') : (verbs[method] ?? '');
  const verb = name === '' ? collectionVerb(plain, queryAt < 0 ? '' : url.slice(queryAt + 1)) : plain;
  return { isResourceRequest: true, verb, resource, subresource: verb === 'proxy' ? '' : subresource, namespace, name };
}

function afterVersion(parts: readonly string[]): readonly string[] | undefined {
  if (parts[0] === 'api' && parts.length >= 3) return parts.slice(2);
  if (parts[0] === 'apis' && parts.length >= 4) return parts.slice(3);
  return undefined;
}

function inNamespace(parts: readonly string[]): { readonly namespace: string; readonly at: readonly string[] } {
  if (parts[0] !== 'namespaces' || parts.length < 2) return { namespace: '', at: parts };
  const within = parts.length > 2 && !namespaceSubresources.has(parts[2] ?? '');
  return { namespace: parts[1] ?? '', at: within ? parts.slice(2) : parts };
}

function collectionVerb(verb: string, query: string): string {
  if (verb === 'delete') return 'deletecollection';
  if (verb !== 'get') return verb;
  const watch = new URLSearchParams(query).get('watch');
  return watch === null || watch === '0' || watch.toLowerCase() === 'false' ? 'list' : 'watch';
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
