import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyMergePatch } from '@polyanthus/kube-objects/merge-patch';
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import { mergeDiff, planCommit } from './committer.ts';
import { jsonEqual } from './equal.ts';

const object = (more: object) => ({
  apiVersion: 'v1',
  kind: 'Thing',
  metadata: { namespace: 'a', name: 'b', uid: 'u1', resourceVersion: '7' },
  ...more,
});

describe('planCommit', () => {
  it('plans nothing when nothing changed', () => {
    expect(planCommit(object({ spec: { a: [1] } }), object({ spec: { a: [1] } }))).toBeUndefined();
  });

  it('writes spec and metadata with uid and version as preconditions', () => {
    const before = object({ spec: { a: 1, b: { c: 2 } } });
    const after = { ...before, metadata: { ...before.metadata, labels: { x: 'y' } }, spec: { a: 1, b: {} } };
    expect(planCommit(before, after)).toEqual({
      body: { metadata: { uid: 'u1', resourceVersion: '7', labels: { x: 'y' } }, spec: { b: { c: null } } },
    });
  });

  it('writes status to its subresource', () => {
    expect(planCommit(object({}), object({ status: { ready: true } }))).toEqual({
      body: { metadata: { uid: 'u1', resourceVersion: '7' }, status: { ready: true } },
      subresource: 'status',
    });
  });

  it('refuses spec and status in one round', () => {
    expect(() => planCommit(object({ spec: 1, status: 1 }), object({ spec: 2, status: 2 }))).toThrow(
      /programmer error.*a\/b/,
    );
  });
});

describe('mergeDiff', () => {
  // A merge patch cannot write null and cannot tell {} from a patch, so values hold neither.
  const { value } = fc.letrec((tie) => ({
    leaf: fc.oneof(fc.integer(), fc.string({ maxLength: 3 }), fc.boolean(), fc.array(fc.integer(), { maxLength: 3 })),
    value: fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.oneof({ depthSize: 'small' }, tie('leaf'), tie('value')), {
      maxKeys: 3,
    }),
  }));

  it('makes a patch that leads from one value to the other', () => {
    fc.assert(
      fc.property(value, value, (before, after) => {
        const patch = mergeDiff(before, after);
        const reached = patch === undefined ? before : applyMergePatch(before as JsonObject, patch as JsonObject);
        return jsonEqual(reached, after);
      }),
      { interruptAfterTimeLimit: 1500 },
    );
  });
});
