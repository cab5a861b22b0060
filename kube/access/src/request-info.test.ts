import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { requestInfo } from './request-info.ts';

function sentence(method: string, url: string): string {
  const { isResourceRequest, verb, apiGroup, resource, subresource, namespace, name } = requestInfo(method, url);
  if (!isResourceRequest) return `${verb} (not a resource)`;
  const what = [resource, ...(subresource === '' ? [] : [subresource])].join('/');
  const group = apiGroup === '' ? '' : `.${apiGroup}`;
  return `${verb} ${what}${group}${name === '' ? '' : ` ${name}`}${namespace === '' ? '' : ` in ${namespace}`}`;
}

describe('the request info', () => {
  // The first rows are the tables of apiserver's requestinfo_test.go in words of our own.
  it.each([
    ['GET', '/api/v1/namespaces', 'list namespaces'],
    ['GET', '/api/v1/namespaces/a', 'get namespaces a in a'],
    ['GET', '/api/v1/namespaces/a/pods', 'list pods in a'],
    ['GET', '/api/v1/namespaces/a/pods/b', 'get pods b in a'],
    ['HEAD', '/api/v1/namespaces/a/pods/b', 'get pods b in a'],
    ['GET', '/api/v1/pods', 'list pods'],
    ['HEAD', '/api/v1/pods', 'list pods'],
    ['GET', '/api/v1/namespaces/a/pods/b/status', 'get pods/status b in a'],
    ['PUT', '/api/v1/namespaces/a/finalize', 'update namespaces/finalize a in a'],
    ['PUT', '/api/v1/namespaces/a/status', 'update namespaces/status a in a'],
    ['GET', '/api/v1/namespaces/a/exec', 'list exec in a'],
    ['POST', '/api/v1/namespaces/a/pods/b/exec', 'create pods/exec b in a'],
    ['GET', '/api/v1/namespaces/a/services/b/proxy/x/y', 'get services/proxy b in a'],
    ['GET', '/api/v1/proxy/namespaces/a/pods/b', 'proxy pods b in a'],
    ['GET', '/api/v1/proxy/namespaces/a/pods/b/status', 'proxy pods b in a'],
    ['GET', '/api/v1/proxy/nodes/n/run', 'proxy nodes n'],
    ['GET', '/api/v1/watch/pods', 'watch pods'],
    ['GET', '/api/v1/watch/namespaces/a/pods/b', 'watch pods b in a'],
    ['POST', '/api/v1/watch/pods', 'watch pods'],
    ['PUT', '/api/v1/namespaces/a/pods', 'update pods in a'],
    ['DELETE', '/apis/apps/v1/namespaces/a/deployments', 'deletecollection deployments.apps in a'],
    ['DELETE', '/apis/apps/v1/namespaces/a/deployments/b', 'delete deployments.apps b in a'],
    ['OPTIONS', '/api/v1/pods', ' pods'],
    // A query.
    ['GET', '/api/v1/pods?watch', 'watch pods'],
    ['GET', '/api/v1/pods?watch=yes', 'watch pods'],
    ['GET', '/api/v1/pods?watch=0', 'list pods'],
    ['GET', '/api/v1/pods?watch=False', 'list pods'],
    ['GET', '/api/v1/pods?watch=false&watch=true', 'list pods'],
    ['GET', '/api/v1/namespaces/a/pods/b?watch=true', 'get pods b in a'],
    ['GET', '/api/v1/pods?fieldSelector=metadata.name%3Db', 'list pods b'],
    ['GET', '/api/v1/pods?watch=1&fieldSelector=spec.nodeName=n,metadata.name==b', 'watch pods b'],
    ['GET', '/api/v1/pods?fieldSelector=metadata.name!=b', 'list pods'],
    ['GET', '/api/v1/pods?fieldSelector=metadata.name=a/b', 'list pods'],
    ['GET', '/api/v1/pods?fieldSelector=metadata.name=b&limit=many', 'list pods'],
    ['GET', '/api/v1/pods?fieldSelector=metadata.name=b&labelSelector=%3D%3D', 'list pods'],
    ['DELETE', '/api/v1/pods?fieldSelector=metadata.name=b', 'deletecollection pods'],
    // The form of the path.
    ['GET', '//api/v1/pods/', 'list pods'],
    ['GET', '/api/v1//pods', 'get  pods'],
    ['GET', '/api/v1/namespaces/a%2Fpods', 'list pods in a'],
    [
      'GET',
      '/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode',
      'get clusterroles.rbac.authorization.k8s.io system:node',
    ],
    ['GET', '/api/v1/namespaces/a/pods/b%ff/exec', 'get pods/exec b\ufffd in a'],
    ['GET', '/api/v1/watch', 'watch '],
    ['GET', '/api/v1/pods%zz', 'get (not a resource)'],
    ['GET', '/api/v1', 'get (not a resource)'],
    ['GET', '/apis/apps/v1', 'get (not a resource)'],
    ['GET', '/', 'get (not a resource)'],
    ['POST', '/version', 'post (not a resource)'],
    ['GET', '/apix/v1/pods', 'get (not a resource)'],
  ])('of %s %s is %s', (method, url, expected) => expect(sentence(method, url)).toBe(expected));

  it('keeps what it does not interpret', () => {
    expect(requestInfo('GET', '/api/v1/namespaces/a/services/b/proxy/x/y').parts).toEqual([
      'services',
      'b',
      'proxy',
      'x',
      'y',
    ]);
  });

  it('reads any text, and its name is a part of the path unless it lists', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('GET', 'PUT', 'DELETE', 'X'),
        fc.webUrl({ withQueryParameters: true }),
        (method, url) => {
          const { name, verb, parts } = requestInfo(method, `/api/v1${new URL(url).pathname}${new URL(url).search}`);
          expect(name === (parts[1] ?? '') || verb === 'list' || verb === 'watch').toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });
});
