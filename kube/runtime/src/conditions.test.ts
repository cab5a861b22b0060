import { describe, expect, it } from 'vitest';
import { findCondition, isConditionTrue, removeCondition, setCondition } from './conditions.ts';

const ready = { type: 'Ready', status: 'True', reason: 'Up', message: 'all good' } as const;

describe('setCondition', () => {
  it('keeps the transition time while the status stays, and renews it when it changes', () => {
    const first = setCondition(undefined, ready, 1000);
    const reworded = setCondition(first, { ...ready, message: 'still good' }, 5000);
    expect(findCondition(reworded, 'Ready')).toEqual({
      ...ready,
      message: 'still good',
      lastTransitionTime: '1970-01-01T00:00:01Z',
    });
    const down = setCondition(reworded, { ...ready, status: 'False' }, 9000);
    expect(findCondition(down, 'Ready')?.lastTransitionTime).toBe('1970-01-01T00:00:09Z');
    expect(isConditionTrue(down, 'Ready')).toBe(false);
  });

  it('answers with the same list when nothing changes', () => {
    const first = setCondition([], ready, 1000);
    expect(setCondition(first, ready, 2000)).toBe(first);
    expect(removeCondition(first, 'Other')).toBe(first);
    expect(removeCondition(first, 'Ready')).toEqual([]);
  });
});
