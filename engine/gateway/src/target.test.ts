import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isStream } from './permission.ts';
import { pathFault, routeOf } from './route.ts';
import { targetOf } from './target.ts';

describe('the target of a request', () => {
  it.each([
    ['GET', '/api/v1/pods', 'list pods'],
    ['GET', '/api/v1/pods/', 'list pods'],
    ['GET', '/api/v1/pods?watch', 'watch pods'],
    ['GET', '/api/v1/pods?watch=0', 'list pods'],
    ['GET', '/api/v1/pods?watch=False', 'list pods'],
    ['GET', '/api/v1/pods?watch=yes', 'watch pods'],
    ['GET', '/api/v1/watch/pods', 'watch pods'],
    ['GET', '/api/v1/namespaces', 'list namespaces'],
    ['GET', '/api/v1/namespaces/a', 'get namespaces a in a'],
    ['PUT', '/api/v1/namespaces/a/finalize', 'update namespaces/finalize a in a'],
    ['GET', '/api/v1/namespaces/a/pods', 'list pods in a'],
    ['HEAD', '/api/v1/namespaces/a/pods/b', 'get pods b in a'],
    ['POST', '/api/v1/namespaces/a/pods/b/exec', 'create pods/exec b in a'],
    ['GET', '/api/v1/namespaces/a/pods/b/exec/', 'get pods/exec b in a'],
    ['GET', '/api/v1/namespaces/a/services/b/proxy/x/y', 'get services/proxy b in a'],
    ['GET', '/api/v1/proxy/nodes/n/run', 'proxy nodes n'],
    ['DELETE', '/apis/apps/v1/namespaces/a/deployments', 'deletecollection deployments in a'],
    ['PATCH', '/apis/apps/v1/namespaces/a/deployments/b/scale', 'patch deployments/scale b in a'],
    ['GET', '/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode', 'get clusterroles system:node'],
    ['GET', '/api/v1', 'get (not a resource)'],
    ['GET', '/apis/apps/v1', 'get (not a resource)'],
    ['POST', '/version', 'post (not a resource)'],
  ])('%s %s is %s', (method, url, expected) => {
    const { isResourceRequest, verb, resource, subresource, namespace, name } = targetOf(method, url);
    const what = isResourceRequest
      ? `${resource}${subresource === '' ? '' : `/${subresource}`}${name === '' ? '' : ` ${name}`}${namespace === '' ? '' : ` in ${namespace}`}`
      : '(not a resource)';
    expect(`${verb} ${what}`).toBe(expected);
  });

  it('never lets hands into a cluster pass as reading, however the path is written', () => {
    const piece = fc.constantFrom(
      'api',
      'v1',
      'namespaces',
      'a',
      'pods',
      'b',
      'exec',
      'attach',
      'portforward',
      'watch',
      'proxy',
      '',
      '.',
      '..',
      '%2F',
      '%2f',
      '%65xec',
      '%2e',
      '/',
      '//',
      '\\',
      ';',
      'exec%00',
    );
    fc.assert(
      fc.property(fc.array(piece, { minLength: 4, maxLength: 10 }), fc.boolean(), (pieces, slashed) => {
        const path = `/${pieces.join(slashed ? '/' : '')}`;
        if (pathFault(path) !== undefined) return;
        // As Go reads it: decoded first, then cleaned of slashes at both ends, then split.
        const parts = decodeURIComponent(path)
          .replaceAll(/^\/+|\/+$/g, '')
          .split('/');
        const at = parts.indexOf('pods');
        const hands =
          parts[0] === 'api' &&
          parts.length >= 3 &&
          at >= 2 &&
          ['exec', 'attach', 'portforward'].includes(parts[at + 2] ?? '');
        const direct = hands && (at === 2 || (at === 4 && parts[2] === 'namespaces'));
        if (direct) expect(isStream(targetOf('GET', path), false)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('the route of a URL', () => {
  it.each([
    [
      '/v1/projects/f/locations/global/memberships/m/api/v1/pods?x=%2F',
      { kind: 'member', fleet: 'f', membership: 'm', url: '/api/v1/pods?x=%2F' },
    ],
    ['/v1/projects/f/locations/global/memberships/m', { kind: 'member', fleet: 'f', membership: 'm', url: '/' }],
    [
      '/v1/projects/f/locations/global/memberships/m?timeout=5s',
      { kind: 'member', fleet: 'f', membership: 'm', url: '/?timeout=5s' },
    ],
    [
      '/v1/projects/f/locations/global/gkeMemberships/m/api',
      { kind: 'member', fleet: 'f', membership: 'm', url: '/api' },
    ],
    ['/api/v1/pods', { kind: 'hub' }],
    ['/', { kind: 'hub' }],
  ])('%s', (url, expected) => expect(routeOf(url)).toEqual(expected));

  it.each([
    '/v1/projects/f/locations/global/memberships/',
    '/v1/projects/F/locations/global/memberships/m/api',
    '/v1/projects/f/locations/eu/memberships/m/api',
    '/v1/',
    'http://x/v1',
    '*',
    '/v1/projects/f/locations/global/memberships/m/..',
  ])('%s is refused', (url) => expect(routeOf(url).kind).toBe('refused'));
});
