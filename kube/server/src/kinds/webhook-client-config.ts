/** Where webhooks are called (apiserver pkg/util/webhook/validation.go). */
import { invalidValue, requiredValue } from '@polyanthus/kube-objects/field-errors';
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import { dns1123Subdomain } from '@polyanthus/kube-objects/names';
import type { StatusCause } from '@polyanthus/kube-objects/status';
import { objectAt, textAt, type Faults } from '../api-object.ts';

const form = '; desired format: https://host[/path]';

/** Faults of a clientConfig: a URL or a Service. */
export function clientConfigFaults(config: JsonObject, path: string): Faults {
  const { url, service } = config;
  if ((url === undefined) === (service === undefined))
    return [requiredValue(path, 'exactly one of url or service is required')];
  return url === undefined
    ? serviceFaults(objectAt(config, 'service'), `${path}.service`)
    : urlFaults(String(url), path);
}

function urlFaults(url: string, path: string): Faults {
  const field = `${path}.url`;
  const found =
    /^(?:(?<scheme>[A-Za-z][A-Za-z0-9+.-]*):)?(?:\/\/(?<authority>[^/?#]*))?[^?#]*(?:\?(?<query>[^#]*))?(?:#(?<fragment>.*))?$/s.exec(
      url,
    )?.groups;
  const { scheme = '', authority = '', query = '', fragment = '' } = found ?? {};
  const at = authority.lastIndexOf('@');
  const host = authority.slice(at + 1);
  const faults: StatusCause[] = [];
  if (scheme.toLowerCase() !== 'https')
    faults.push(invalidValue(field, scheme.toLowerCase(), `'https' is the only allowed URL scheme${form}`));
  if (host === '') faults.push(invalidValue(field, '', `host must be specified${form}`));
  else if (!URL.canParse(`https://${host}/`))
    faults.push(requiredValue(field, `url must be a valid URL: parse ${JSON.stringify(url)}: invalid host${form}`));
  if (at >= 0) faults.push(invalidValue(field, authority.slice(0, at), 'user information is not permitted in the URL'));
  if (fragment !== '') faults.push(invalidValue(field, fragment, 'fragments are not permitted in the URL'));
  if (query !== '') faults.push(invalidValue(field, query, 'query parameters are not permitted in the URL'));
  return faults;
}

function serviceFaults(service: JsonObject, path: string): Faults {
  const faults: StatusCause[] = [];
  // kube-apiserver takes one for the other here; its answers are what clients know.
  if (textAt(service, 'namespace') === '') faults.push(requiredValue(`${path}.name`));
  if (textAt(service, 'name') === '') faults.push(requiredValue(`${path}.namespace`));
  const { port = 443 } = service;
  if (typeof port !== 'number' || port < 1 || port > 65_535)
    faults.push(invalidValue(`${path}.port`, port, 'port is not valid: must be between 1 and 65535, inclusive'));
  return [...faults, ...pathFaults(textAt(service, 'path'), `${path}.path`)];
}

function pathFaults(path: string, field: string): Faults {
  if (path === '' || path === '/') return [];
  if (path === '//') return [invalidValue(field, path, 'segment[0] may not be empty')];
  const faults: StatusCause[] = path.startsWith('/') ? [] : [invalidValue(field, path, "must start with a '/'")];
  path
    .slice(1)
    .replace(/\/$/, '')
    .split('/')
    .forEach((step, index) => {
      if (step === '') faults.push(invalidValue(field, path, `segment[${index}] may not be empty`));
      else
        for (const fault of dns1123Subdomain(step))
          faults.push(invalidValue(field, path, `segment[${index}]: ${fault}`));
    });
  return faults;
}
