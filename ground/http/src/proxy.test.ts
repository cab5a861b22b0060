import { expect, it } from 'vitest';
import { parseProxy, proxyEnvironment, proxyFor } from './proxy.ts';

const through = (target: string, noProxy = '', explicit?: string): string | undefined => {
  const found = proxyFor(new URL(target), explicit, {
    httpsProxy: 'http://p:3128',
    httpProxy: 'http://plain:80',
    noProxy,
  });
  return found === undefined ? undefined : `${found.host}:${found.port}`;
};

it('the environment chooses by scheme, and never for loopback', () => {
  expect([
    through('https://api.test'),
    through('http://api.test'),
    through('https://localhost:6443'),
    through('https://127.0.0.2'),
    through('https://[::1]:1'),
  ]).toEqual(['p:3128', 'plain:80', undefined, undefined, undefined]);
});

it('NO_PROXY is read as Go reads it', () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ['https://a.corp.test', 'corp.test', false],
    ['https://corp.test', 'corp.test', false],
    ['https://corp.test', '.corp.test', true],
    ['https://a.corp.test', '.corp.test', false],
    ['https://a.corp.test', '*.corp.test', false],
    ['https://notcorp.test', 'corp.test', true],
    ['https://A.Corp.Test', 'CORP.test', false],
    ['https://10.1.2.3:6443', '10.0.0.0/8', false],
    ['https://11.1.2.3', '10.0.0.0/8', true],
    ['https://[fd00::1]', 'fd00::/8', false],
    ['https://10.1.2.3', '10.1.2.3', false],
    ['https://api.test:6443', 'api.test:6443', false],
    ['https://api.test:443', 'api.test:6443', true],
    ['https://api.test', '*', false],
    ['https://api.test', ' , x , api.test', false],
    ['https://api.test', '10.0.0.0/99,nonsense/8', true],
  ];
  for (const [target, noProxy, proxied] of cases)
    expect([target, noProxy, through(target, noProxy) !== undefined]).toEqual([target, noProxy, proxied]);
});

it('an explicit proxy goes before everything, also for loopback', () => {
  expect(through('https://127.0.0.1:1', '*', 'https://q.test')).toBe('q.test:443');
});

it('socks and nonsense are refused without the password', () => {
  const error = expect.objectContaining({
    code: 'ProxyUnsupported',
    message: 'the proxy socks5://h:1 is not an HTTP proxy',
  }) as Error;
  expect(() => parseProxy('socks5://me:secret@h:1')).toThrow(error);
  expect(() => parseProxy('http://')).toThrow(expect.objectContaining({ code: 'ProxyUnsupported' }) as Error);
  expect(parseProxy('proxy.test:8080')).toMatchObject({ secure: false, host: 'proxy.test', port: 8080 });
});

it('reads both spellings of the environment', () => {
  expect(proxyEnvironment({ https_proxy: 'a', HTTPS_PROXY: 'b', no_proxy: 'c' })).toEqual({
    httpsProxy: 'b',
    httpProxy: undefined,
    noProxy: 'c',
  });
});
