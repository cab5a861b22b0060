/** The soak of kills in small, and that it finds what it looks for: runbooks that are careless in one place each. */
import type { ActionStep, CheckStep, Runbook } from '@polyanthus/engine-runbook/runbook';
import { createSeededRandom } from '@polyanthus/ground-testing/seeded-random';
import { nodes, pods } from '@polyanthus/kube-kinds/core';
import { beforeAll, describe, expect, it } from 'vitest';
import { isBoundary, killed, unkilled, type Reference, type Subject } from '../soak/kills.ts';
import type { OpenHost } from './host-command.ts';
import { nodeMaintenanceOn } from './node-maintenance.ts';

const subject: Subject = { size: { nodes: ['n1', 'n2', 'n3'], replicas: 6, minAvailable: 5 }, window: 2 };
let expected: Reference;
beforeAll(async () => {
  expected = await unkilled(subject);
});

describe('node-maintenance', () => {
  it('is sound when nobody is killed', () => {
    expect(expected.defects).toEqual([]);
    expect(expected).toMatchObject({ cordonedMost: 2, readyLeast: 5 });
    expect(expected.evictions).toBeGreaterThanOrEqual(6);
  });

  const random = createSeededRandom(3);
  it.each([1, 2, 3])('ends as if nobody had killed it inside an action (%i)', async () => {
    const at = expected.inside[Math.floor(random.float() * expected.inside.length)] ?? 0;
    const { defects, inAction } = await killed(subject, expected, { at, how: 'after' });
    expect(defects, `killed at ${at}`).toEqual([]);
    expect(inAction).toBe(true);
  });

  it.each([1, 2, 3])('ends as if nobody had killed it at a boundary of steps (%i)', async () => {
    const boundary = Math.floor(random.float() * expected.boundaries);
    let seen = 0;
    const { defects } = await killed(subject, expected, {
      when: (request) => isBoundary(request) && seen++ === boundary,
      how: 'after',
    });
    expect(defects, `killed at boundary ${boundary}`).toEqual([]);
  });
});

/** The runbook with other functions in the steps of this id: data stay, and with them its edition. */
function careless<K extends 'action' | 'check'>(
  id: string,
  change: (step: (ActionStep | CheckStep) & { readonly kind: K }) => Partial<ActionStep | CheckStep>,
): Subject {
  const runbook = (open: OpenHost): Runbook => {
    const sound = nodeMaintenanceOn(open);
    const steps = (stage: Runbook['stages'][number]): Runbook['stages'][number]['steps'] =>
      stage.steps.map((step) =>
        step.id === id
          ? ({ ...step, ...change(step as (ActionStep | CheckStep) & { readonly kind: K }) } as typeof step)
          : step,
      );
    return { ...sound, stages: sound.stages.map((stage) => ({ ...stage, steps: steps(stage) })) };
  };
  return { ...subject, runbook };
}

describe('the soak of kills finds a runbook', () => {
  it('that changes a node while it only looks', async () => {
    const { defects } = await unkilled(
      careless<'check'>('ready', ({ proof }) => ({
        proof: {
          ...proof,
          observe: async (ctx, scope) => {
            const body = { metadata: { labels: { seen: 'yes' } } };
            await scope.client.patch(ctx, nodes, { name: scope.target?.name ?? '' }, { type: 'merge', body });
            return proof.observe(ctx, scope);
          },
        },
      })),
    );
    expect(defects.filter((one) => one.startsWith('no intent covers PATCH /api/v1/nodes/n'))).not.toEqual([]);
  });

  it('that evicts before its intent is stored', async () => {
    const { defects } = await unkilled(
      careless<'action'>('drain', (step) => ({
        before: async (ctx, scope) => {
          const before = await step.before?.(ctx, scope);
          await step.act(ctx, scope);
          return before;
        },
      })),
    );
    expect(defects.filter((one) => /^no intent covers POST .*\/eviction on n/.test(one))).not.toEqual([]);
  });

  it('that deletes pods in spite of their budget', async () => {
    const { defects, readyLeast } = await unkilled(
      careless<'action'>('drain', () => ({
        act: async (ctx, scope) => {
          const on = { fieldSelector: `spec.nodeName=${scope.target?.name ?? ''}` };
          for (const { metadata } of (await scope.client.list(ctx, pods, on)).items)
            await scope.client.delete(ctx, pods, { namespace: metadata.namespace, name: metadata.name ?? '' });
        },
      })),
    );
    expect(readyLeast).toBeLessThan(5);
    expect(defects).toEqual([`${readyLeast} pods were ready, 5 must be`]);
  });

  it('that calls a node taken back without doing it', async () => {
    const { defects } = await unkilled(
      careless<'action'>('uncordon', ({ act, proof }) => ({
        act: (ctx, scope) => (scope.target?.name === 'n1' ? Promise.resolve() : act(ctx, scope)),
        proof: { ...proof, observe: () => Promise.resolve({ ok: true, evidence: 'surely' }) },
      })),
    );
    expect(defects).toContain('cordons are not as they should be');
  });

  it('that begins a command again after its executor was killed', async () => {
    const twice = careless<'action'>('command', ({ proof }) => ({
      proof: {
        ...proof,
        observe: (ctx, scope) =>
          scope.identity.epoch > 1 && scope.identity.attempt < 2
            ? Promise.resolve({ ok: false, final: 'not-begun', evidence: 'never looked' })
            : proof.observe(ctx, scope),
      },
    }));
    const { defects } = await killed(twice, expected, {
      when: (request) => {
        const text = Buffer.from(request.body instanceof Uint8Array ? request.body : []).toString();
        return isBoundary(request) && text.includes('"step":"command"') && text.includes('"state":"Acted"');
      },
      how: 'before',
    });
    expect(defects.filter((one) => one.startsWith('hosts: '))).toEqual([
      expect.stringContaining('"ran":["patch","patch"]') as string,
    ]);
  });
});
