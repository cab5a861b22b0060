/** Which proxy a connection goes through; the rules of Go's httpproxy, which kubectl follows. */
import { BlockList, isIP } from 'node:net';
import { httpErrors } from './errors.ts';

/** Values of the environment, passed in by mains; lower-case names win, as in Go. */
export interface ProxyEnvironment {
  readonly httpsProxy?: string | undefined;
  readonly httpProxy?: string | undefined;
  /** Comma-separated: `*`, `host`, `.domain`, `host:port`, address, CIDR. */
  readonly noProxy?: string | undefined;
}

/** A proxy to CONNECT through. */
export interface Proxy {
  readonly secure: boolean;
  readonly host: string;
  readonly port: number;
  /** Value of Proxy-Authorization; a secret. */
  readonly authorization?: string;
}

/** Picks the values out of an environment. */
export function proxyEnvironment(env: Readonly<Record<string, string | undefined>>): ProxyEnvironment {
  return {
    httpsProxy: env['HTTPS_PROXY'] ?? env['https_proxy'],
    httpProxy: env['HTTP_PROXY'] ?? env['http_proxy'],
    noProxy: env['NO_PROXY'] ?? env['no_proxy'],
  };
}

/** The proxy for `target`, or undefined for a direct connection. Loopback is never proxied by the environment. */
export function proxyFor(target: URL, explicit: string | undefined, env: ProxyEnvironment): Proxy | undefined {
  if (explicit !== undefined && explicit !== '') return parseProxy(explicit);
  const value = target.protocol === 'https:' ? env.httpsProxy : env.httpProxy;
  if (value === undefined || value === '' || bypassed(target, env.noProxy ?? '')) return undefined;
  return parseProxy(value);
}

/** Reads `http://user:password@host:port`; without a scheme it is http. Throws ProxyUnsupported. */
export function parseProxy(text: string): Proxy {
  const url = URL.parse(text.includes('://') ? text : `http://${text}`);
  if (url === null || url.hostname === '') throw httpErrors.error('ProxyUnsupported', 'the proxy address is not a URL');
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw httpErrors.error('ProxyUnsupported', `the proxy ${url.protocol}//${url.host} is not an HTTP proxy`);
  }
  const secure = url.protocol === 'https:';
  const login = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return {
    secure,
    host: bareHost(url),
    port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
    ...(url.username === '' ? {} : { authorization: `Basic ${Buffer.from(login).toString('base64')}` }),
  };
}

/** The host of a URL without the brackets of IPv6. */
export function bareHost(url: URL): string {
  return url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname;
}

/** The port of a URL, or its scheme's. */
export function portOf(url: URL): number {
  return url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
}

function bypassed(target: URL, noProxy: string): boolean {
  const host = bareHost(target).toLowerCase().replace(/\.$/, '');
  if (host === 'localhost' || isLoopback(host)) return true;
  return noProxy.split(',').some((entry) => matches(entry.trim().toLowerCase(), host, portOf(target)));
}

function isLoopback(host: string): boolean {
  return host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

function matches(entry: string, host: string, port: number): boolean {
  if (entry === '') return false;
  if (entry === '*') return true;
  if (entry.includes('/')) return inSubnet(entry, host);
  const withPort = /^(?:\[(.+)\]|([^:]+)):(\d+)$/.exec(entry);
  if (withPort !== null && Number(withPort[3]) !== port) return false;
  const name = withPort?.[1] ?? withPort?.[2] ?? entry.replace(/^\[(.*)\]$/, '$1');
  if (isIP(name) !== 0) return name === host;
  const domain = name.replace(/^\*\./, '.');
  return domain.startsWith('.') ? host.endsWith(domain) : host === domain || host.endsWith(`.${domain}`);
}

function inSubnet(entry: string, host: string): boolean {
  const [network = '', bits = ''] = entry.split('/');
  const family = isIP(network);
  const length = Number(bits);
  if (family === 0 || isIP(host) !== family || !/^\d+$/.test(bits) || length > (family === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  list.addSubnet(network, length, family === 4 ? 'ipv4' : 'ipv6');
  return list.check(host, family === 4 ? 'ipv4' : 'ipv6');
}
