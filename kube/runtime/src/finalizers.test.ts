import { expect, it } from 'vitest';
import { hasFinalizer, withFinalizer, withoutFinalizer } from './finalizers.ts';

it('adds and removes a finalizer on copies, and gives the same object back when there is nothing to do', () => {
  const object = { apiVersion: 'v1', kind: 'Thing', metadata: { name: 'a', finalizers: ['x'] } };
  const more = withFinalizer(object, 'y');
  expect(more.metadata.finalizers).toEqual(['x', 'y']);
  expect(object.metadata.finalizers).toEqual(['x']);
  expect(withFinalizer(more, 'y')).toBe(more);
  expect(withoutFinalizer(more, 'x').metadata.finalizers).toEqual(['y']);
  expect(withoutFinalizer(object, 'y')).toBe(object);
  expect(hasFinalizer(more, 'y')).toBe(true);
});
