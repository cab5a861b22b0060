import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Service } from '@polyanthus/kube-kinds/core';
import type { Endpoint, EndpointSlice } from '@polyanthus/kube-kinds/discovery';
import { planSlices } from './packing.ts';

const service: Service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 's', namespace: 'n', uid: 'u' },
  spec: {},
};
const ports = [{ name: '', port: 80, protocol: 'TCP' }];
const endpoint = (number: number, ready = true): Endpoint => ({
  addresses: [`10.0.${number >> 8}.${number & 255}`],
  conditions: { ready, serving: ready, terminating: false },
  targetRef: { uid: String(number) },
});

/** Carries the plan out as an API server would. */
function apply(slices: readonly EndpointSlice[], numbers: readonly number[], ready = true): readonly EndpointSlice[] {
  const groups = numbers.length === 0 ? [] : [{ ports, endpoints: numbers.map((each) => endpoint(each, ready)) }];
  const plan = planSlices(service, 'IPv4', groups, slices);
  const updated = slices
    .filter((slice) => !plan.remove.includes(slice))
    .map((slice) => plan.update.find(({ before }) => before === slice)?.after ?? slice);
  const created = plan.create.map((slice, index) => ({
    ...slice,
    metadata: { ...slice.metadata, name: `s${slices.length}-${index}-${numbers.length}` },
  }));
  return [...updated, ...created];
}
const numbersOf = (slices: readonly EndpointSlice[]): readonly number[] =>
  slices
    .flatMap(({ endpoints }) => endpoints ?? [])
    .map(({ targetRef }) => Number(targetRef?.uid))
    .sort((a, b) => a - b);

it('holds exactly the endpoints, a hundred a slice at most, and then wants nothing more', () => {
  const sets = fc.array(fc.uniqueArray(fc.integer({ min: 0, max: 400 }), { maxLength: 350 }), { maxLength: 6 });
  fc.assert(
    fc.property(sets, (steps) => {
      let slices: readonly EndpointSlice[] = [];
      for (const numbers of steps) {
        slices = apply(slices, numbers);
        expect(numbersOf(slices)).toEqual([...numbers].sort((a, b) => a - b));
        expect(slices.every(({ endpoints }) => (endpoints ?? []).length <= 100)).toBe(true);
        expect(slices.length).toBeGreaterThan(0);
        expect(apply(slices, numbers)).toEqual(slices);
      }
    }),
    { interruptAfterTimeLimit: 1500, numRuns: 50 },
  );
});

it('changes one slice alone when one endpoint comes, goes or stops serving', () => {
  const first = apply(
    [],
    Array.from({ length: 250 }, (_, index) => index),
  );
  expect(first.map(({ endpoints }) => endpoints?.length)).toEqual([100, 100, 50]);
  const endpoints = Array.from({ length: 250 }, (_, index) => endpoint(index, index !== 120));
  expect(planSlices(service, 'IPv4', [{ ports, endpoints }], first)).toMatchObject({ create: [], remove: [] });
  expect(planSlices(service, 'IPv4', [{ ports, endpoints }], first).update).toHaveLength(1);
  const more = [...endpoints.filter((_, index) => index !== 120), endpoint(120), endpoint(300)];
  expect(planSlices(service, 'IPv4', [{ ports, endpoints: more }], first).update).toHaveLength(1);
});

it('leaves slices of an earlier Service of the name to go', () => {
  const [old] = apply([], [1]);
  const stranger = { ...(old as EndpointSlice), metadata: { name: 'old', ownerReferences: [] } };
  const plan = planSlices(service, 'IPv4', [{ ports, endpoints: [endpoint(1)] }], [stranger]);
  expect(plan.remove).toEqual([stranger]);
  expect(plan.create).toHaveLength(1);
});
