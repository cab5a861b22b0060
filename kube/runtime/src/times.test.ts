import { expect, it } from 'vitest';
import { kubeMicroTime, kubeTime, parseKubeTime } from './times.ts';

it('writes times as the API does and reads them back', () => {
  expect(kubeTime(1234)).toBe('1970-01-01T00:00:01Z');
  expect(kubeMicroTime(1234)).toBe('1970-01-01T00:00:01.234000Z');
  expect(parseKubeTime('1970-01-01T00:00:01.234000Z')).toBe(1234);
  expect(parseKubeTime(null)).toBeUndefined();
  expect(parseKubeTime('tomorrow')).toBeUndefined();
});
