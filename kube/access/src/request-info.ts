/** What a request asks for, by the rules of kube-apiserver's RequestInfo (apiserver endpoints/request/requestinfo.go). */
import { pathSegmentName } from '@polyanthus/kube-objects/names';
import { parseFieldSelector, parseLabelSelector } from '@polyanthus/kube-objects/selectors';

/** Empty texts where a part is absent. */
export interface RequestInfo {
  readonly isResourceRequest: boolean;
  /** Decoded, without the query. */
  readonly path: string;
  /**
   * get, list, watch, create, update, patch, delete, deletecollection; `watch` or `proxy` from the old path form; empty
   * for a method that means nothing to a resource. The method in lower case for other paths.
   */
  readonly verb: string;
  readonly apiGroup: string;
  readonly apiVersion: string;
  readonly namespace: string;
  readonly resource: string;
  /** The first part after the name alone: `proxy` of `proxy/a/b`. */
  readonly subresource: string;
  /** From the path, or for a list or watch from `fieldSelector=metadata.name=…`. */
  readonly name: string;
  /** The path from the resource on: resource, name, subresource, and what is not interpreted. */
  readonly parts: readonly string[];
}

const verbs: ReadonlyMap<string, string> = new Map([
  ['POST', 'create'],
  ['GET', 'get'],
  ['HEAD', 'get'],
  ['PUT', 'update'],
  ['PATCH', 'patch'],
  ['DELETE', 'delete'],
]);
const pathVerbs: ReadonlySet<string> = new Set(['proxy', 'watch']);
/** The parts after a namespace's name that are not a resource in it. */
const namespaceSubresources: ReadonlySet<string> = new Set(['status', 'finalize']);

/**
 * Reads a method and a URL's path and query. The path is decoded before it is split, as Go does. One that cannot be
 * decoded, and `/watch` or `/proxy` with nothing behind, ask for no resource that exists.
 */
export function requestInfo(method: string, url: string): RequestInfo {
  const at = url.indexOf('?');
  const path = decoded(at < 0 ? url : url.slice(0, at));
  const location = path === undefined ? undefined : locate(path);
  if (location === undefined) return otherRequest(method, path ?? url);
  const { rest } = location;
  const byPath = pathVerbs.has(rest[0] ?? '');
  const { namespace, parts } = inNamespace(byPath ? rest.slice(1) : rest);
  const [resource = '', named = '', subresource = ''] = parts;
  const plain = byPath ? (rest[0] ?? '') : (verbs.get(method) ?? '');
  return {
    isResourceRequest: true,
    path: path ?? '',
    apiGroup: location.apiGroup,
    apiVersion: location.apiVersion,
    namespace,
    resource,
    subresource: plain === 'proxy' ? '' : subresource,
    parts,
    ...(named === '' ? ofCollection(plain, at < 0 ? '' : url.slice(at + 1)) : { verb: plain, name: named }),
  };
}

function otherRequest(method: string, path: string): RequestInfo {
  const nothing = { apiGroup: '', apiVersion: '', namespace: '', resource: '', subresource: '', name: '', parts: [] };
  return { isResourceRequest: false, path, verb: method.toLowerCase(), ...nothing };
}

/** Go decodes any byte: what is no UTF-8 must not hide the parts behind it. Undefined for a `%` that encodes nothing. */
function decoded(path: string): string | undefined {
  if (/%(?![0-9a-f]{2})/i.test(path)) return undefined;
  return path.replaceAll(/(?:%[0-9a-f]{2})+/gi, (run) => {
    const bytes = run
      .slice(1)
      .split('%')
      .map((digits) => Number.parseInt(digits, 16));
    return new TextDecoder().decode(Uint8Array.from(bytes));
  });
}

function locate(path: string): { apiGroup: string; apiVersion: string; rest: readonly string[] } | undefined {
  const parts = path.replaceAll(/^\/+|\/+$/g, '').split('/');
  const [first, second = '', third = ''] = parts;
  if (first === 'api' && parts.length >= 3) return { apiGroup: '', apiVersion: second, rest: parts.slice(2) };
  if (first === 'apis' && parts.length >= 4) return { apiGroup: second, apiVersion: third, rest: parts.slice(3) };
  return undefined;
}

function inNamespace(rest: readonly string[]): { readonly namespace: string; readonly parts: readonly string[] } {
  if (rest[0] !== 'namespaces' || rest.length < 2) return { namespace: '', parts: rest };
  const within = rest.length > 2 && !namespaceSubresources.has(rest[2] ?? '');
  return { namespace: rest[1] ?? '', parts: within ? rest.slice(2) : rest };
}

function ofCollection(verb: string, query: string): Pick<RequestInfo, 'verb' | 'name'> {
  if (verb === 'delete') return { verb: 'deletecollection', name: '' };
  if (verb !== 'get') return { verb, name: '' };
  const options = new URLSearchParams(query);
  return { verb: isTrue(options.get('watch')) ? 'watch' : 'list', name: selectedName(options) };
}

/** A query parameter as apimachinery reads a bool: anything but absence, `0` and `false`. */
function isTrue(text: string | null): boolean {
  return text !== null && text !== '0' && text.toLowerCase() !== 'false';
}

/** The one name that `fieldSelector` leaves; none when any option of the list cannot be read. */
function selectedName(options: URLSearchParams): string {
  const selector = options.get('fieldSelector');
  if (selector === null) return '';
  try {
    if (['limit', 'timeoutSeconds'].some((name) => !/^([-+]?\d+)?$/.test(options.get(name) ?? ''))) return '';
    parseLabelSelector(options.get('labelSelector') ?? '');
    const wanted = parseFieldSelector(selector).requirements.find(
      ({ field, operator }) => field === 'metadata.name' && operator === '=',
    );
    return wanted !== undefined && pathSegmentName(wanted.value).length === 0 ? wanted.value : '';
  } catch {
    return '';
  }
}
