import { alreadyExists, notFound, StatusError, statusError } from '@polyanthus/kube-objects/status';
import { expect, it } from 'vitest';
import { advise } from './advice.ts';

it.each<[string, unknown, string]>([
  ['a right that is lacking', statusError('Forbidden', 'no'), 'administrator'],
  ['a run that is not there', notFound('runbook.polyanthus.dev', 'runs', 'r1'), 'polyanthus runbook list'],
  ['a member that is not there', notFound('fleet.polyanthus.dev', 'memberships', 'm'), 'polyanthus fleet list'],
  ['a run that is there already', alreadyExists('runbook.polyanthus.dev', 'runs', 'r1'), 'runbook resume r1'],
  ['an address that is none', statusError('NotFound', '404 page not found'), '--hub-context'],
  ['a folder that is not there', Object.assign(new Error('ENOENT'), { code: 'ENOENT' }), 'folder'],
])('has a next step for %s', (_what, error, text) => {
  expect(advise(error)).toContain(text);
});

it('says nothing where it knows nothing', () => {
  expect(advise(new Error('what is this'))).toBeUndefined();
  expect(
    advise(
      new StatusError({
        apiVersion: 'v1',
        kind: 'Status',
        metadata: {},
        status: 'Failure',
        reason: 'Teapot',
        code: 418,
      }),
    ),
  ).toBeUndefined();
});
