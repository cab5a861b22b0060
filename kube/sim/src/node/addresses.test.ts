import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { PodAddresses } from './addresses.ts';

it('never gives one address to two pods, whatever comes and goes', () => {
  const step = fc.record({ uid: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), release: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const addresses = new PodAddresses('10.0.0.0/28');
      const held = new Map<string, string>();
      for (const { uid, release } of steps) {
        if (release) {
          addresses.release(uid);
          held.delete(uid);
        } else held.set(uid, addresses.take(uid));
        expect(new Set(held.values()).size).toBe(held.size);
      }
    }),
    { interruptAfterTimeLimit: 1500 },
  );
});

it('keeps an address that a status names, and says when none is left', () => {
  const addresses = new PodAddresses('192.168.7.0/29');
  expect(addresses.take('a', '192.168.7.4')).toBe('192.168.7.4');
  expect(addresses.take('a')).toBe('192.168.7.4');
  for (const uid of ['b', 'c', 'd', 'e']) addresses.take(uid);
  expect(() => addresses.take('f')).toThrow('all 5 addresses of 192.168.7.0/29 are taken');
  addresses.release('c');
  expect(addresses.take('f')).toMatch(/^192\.168\.7\./);
});

it.each(['10.0.0.0/31', '10.0.0/24', '300.0.0.0/24', 'fd00::/64'])('refuses %s', (cidr) => {
  expect(() => new PodAddresses(cidr)).toThrow(`podCidr "${cidr}"`);
});
