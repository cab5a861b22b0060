/** Provisional. */
export interface RequestInfo {
  readonly isResourceRequest: boolean;
  readonly verb: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
}
export function requestInfo(method: string, url: string): RequestInfo {
  const [path = '', query = ''] = url.split('?');
  const verbs: Record<string, string> = {
    GET: 'get',
    HEAD: 'get',
    POST: 'create',
    PUT: 'update',
    PATCH: 'patch',
    DELETE: 'delete',
  };
  let parts = path
    .split('/')
    .filter((p) => p !== '')
    .map(decodeURIComponent);
  const none = {
    isResourceRequest: false,
    verb: method.toLowerCase(),
    resource: '',
    subresource: '',
    namespace: '',
    name: '',
  };
  if (parts[0] === 'api' && parts.length > 2) parts = parts.slice(2);
  else if (parts[0] === 'apis' && parts.length > 3) parts = parts.slice(3);
  else return none;
  let verb = verbs[method] ?? '';
  if (parts[0] === 'watch') {
    verb = 'watch';
    parts = parts.slice(1);
  }
  let namespace = '';
  if (parts[0] === 'namespaces' && parts.length > 2 && !['status', 'finalize'].includes(parts[2] ?? '')) {
    namespace = parts[1] ?? '';
    parts = parts.slice(2);
  }
  const name = parts[1] ?? '';
  if (name === '' && verb === 'get') verb = /(^|&)watch=(true|1)(&|$)/.test(query) ? 'watch' : 'list';
  if (name === '' && verb === 'delete') verb = 'deletecollection';
  return {
    isResourceRequest: true,
    verb,
    resource: parts[0] ?? '',
    subresource: parts[2] ?? '',
    namespace,
    name,
  };
}
