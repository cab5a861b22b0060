import { describe, expect, it } from 'vitest';
import { requestInfo } from '@polyanthus/kube-access/request-info';
import { neededRight } from './permission.ts';

const user = { username: 'ana', groups: [] };
const at = { fleet: 'north', membership: 'edge' };
const right = (method: string, path: string, stream = false): string => {
  const { verb, subresource, name, namespace } = neededRight(user, at, requestInfo(method, path), stream);
  return `${verb} ${subresource} ${namespace}/${name}`;
};

describe('the right that a request to a member needs at the hub', () => {
  it('is the verb of the request on the gateway, or create on the stream', () => {
    expect(right('GET', '/api/v1/pods')).toBe('list gateway north/edge');
    expect(right('POST', '/api/v1/namespaces/web/configmaps')).toBe('create gateway north/edge');
    expect(right('GET', '/api/v1/namespaces/web/pods/a/exec', true)).toBe('create stream north/edge');
  });

  it('is get for a question about oneself, so that who may only read can ask', () => {
    expect(right('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews')).toBe('get gateway north/edge');
    expect(right('POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews')).toBe('get gateway north/edge');
    expect(right('POST', '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews')).toBe('get gateway north/edge');
    expect(right('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews')).toBe('create gateway north/edge');
  });
});
