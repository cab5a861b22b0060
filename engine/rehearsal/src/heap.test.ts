import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { TimeHeap } from './heap.ts';

it('gives what was pushed by time, and equal times in the order of their pushes', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 60 }), (times) => {
      const heap = new TimeHeap<number>();
      times.forEach((time, index) => heap.push(time, index));
      const wanted = times.map((time, index) => [time, index] as const).toSorted((a, b) => a[0] - b[0] || a[1] - b[1]);
      const found: (readonly [number, number])[] = [];
      for (let next = heap.pop(); next !== undefined; next = heap.pop()) found.push([next.atMs, next.item]);
      expect(found).toEqual(wanted);
      expect(heap.size).toBe(0);
    }),
  );
});

it('keeps the order when pushes and pops alternate', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -1, max: 20 }), { maxLength: 80 }), (actions) => {
      const heap = new TimeHeap<number>();
      const model: number[] = [];
      for (const action of actions) {
        if (action >= 0) {
          heap.push(action, action);
          model.push(action);
        } else {
          model.sort((a, b) => a - b);
          expect(heap.pop()?.atMs).toBe(model.shift());
        }
      }
    }),
  );
});
