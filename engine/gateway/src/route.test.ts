import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { requestInfo } from '@polyanthus/kube-access/request-info';
import { isStream } from './permission.ts';
import { pathFault, routeOf } from './route.ts';

describe('the right that a path needs', () => {
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
      'b%ff',
    );
    fc.assert(
      fc.property(fc.array(piece, { minLength: 4, maxLength: 10 }), fc.boolean(), (pieces, slashed) => {
        const path = `/${pieces.join(slashed ? '/' : '')}`;
        if (pathFault(path) !== undefined) return;
        // As Go reads it: decoded first, then cleaned of slashes at both ends, then split.
        const parts = decodeURIComponent(path.replaceAll('%ff', 'x'))
          .replaceAll(/^\/+|\/+$/g, '')
          .split('/');
        const at = parts.indexOf('pods');
        const hands =
          parts[0] === 'api' &&
          parts.length >= 3 &&
          at >= 2 &&
          ['exec', 'attach', 'portforward'].includes(parts[at + 2] ?? '');
        const direct = hands && (at === 2 || (at === 4 && parts[2] === 'namespaces'));
        if (direct) expect(isStream(requestInfo('GET', path), false)).toBe(true);
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
