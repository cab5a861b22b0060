import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkHouse, house } from './house.ts';

const root = join(import.meta.dirname, '..');

describe('the house', () => {
  it('has only the imports that checks/house.json allows', async () => {
    const { modules, violations } = await checkHouse(root, [...house.floors]);
    expect(violations, 'see checks/house.json for what may import what').toEqual([]);
    expect(modules).toBeGreaterThanOrEqual(house.modulesAtLeast);
  }, 60_000);

  it('finds the canaries', async () => {
    const { violations } = await checkHouse(join(import.meta.dirname, 'canaries'), ['ground', 'kube']);
    const text = violations.join('\n');
    expect(text).toContain('ground/base-imports');
    expect(text).toContain('kube/objects-browser-safe');
    expect(text).toContain('owner-of-yaml');
  }, 60_000);
});
