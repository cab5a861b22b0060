import { recordIo } from '@polyanthus/ground-cli-kit/io';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { requestOf } from '../src/requests.ts';
import {
  everyKind,
  renew,
  settled,
  startExecutor,
  startRun,
  startWorld,
  testNamespace,
  type World,
} from '../src/testing.ts';
import { follow } from './follow.ts';
import type { RunPlace } from './place.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld(2);
});
beforeEach(() => renew(world, 2));
afterAll(() => world.close());

const place = (): RunPlace => ({
  runsClient: world.client,
  namespace: testNamespace,
  membership: undefined,
  again: '',
  hub: false,
  clusterClient: () => Promise.resolve(world.client),
  prepare: () => Promise.resolve(),
});

const escape = '\u001b[';

/** What a terminal shows in the end: cursor up, clear below, and lines. */
function screenOf(written: string): readonly string[] {
  let lines: string[] = [];
  for (const piece of written.replaceAll(`${escape}?7l`, '').replaceAll(`${escape}?7h`, '').split(escape)) {
    const [, count, command, text = ''] = /^(\d*)([FJ])?([^]*)$/.exec(piece) ?? [];
    if (command === 'F') lines = lines.slice(0, lines.length - Number(count));
    else lines.push(...text.split('\n').slice(0, -1));
  }
  return lines;
}

it('redraws on a terminal what is under way, and leaves one line for each step that ended', async () => {
  await startRun(world, everyKind, {});
  const io = { ...recordIo() };
  const terminal = { ...io, terminal: true };
  const following = follow(world.ctx, place(), 'r1', terminal);
  const executor = startExecutor({ world, runbooks: [everyKind], run: 'r1', identity: 'a' });
  await world.clock.until(() => io.stderr().includes('Waiting'), 'the question');
  expect(screenOf(io.stderr()).at(-1)).toMatch(
    /Waiting, .* approve with: polyanthus runbook approve r1 --step ask\/m0$/,
  );
  await requestOf(
    world.ctx,
    world.client,
    { namespace: testNamespace, name: 'r1' },
    { kind: 'approve', steps: ['ask'] },
  );
  await settled(world.clock, following);
  await settled(world.clock, executor.ended);
  const screen = screenOf(io.stderr());
  expect(screen.filter((line) => line.startsWith('✓'))).toHaveLength(15);
  expect(screen.filter((line) => line.startsWith('…'))).toEqual([]);
  expect(screen.at(-1)).toBe('run r1: Succeeded, 15 of 15 steps proven');
});

it('writes no control character when nobody looks at a terminal', async () => {
  await startRun(world, everyKind, {}, { approvals: ['ask'] });
  const io = recordIo();
  const following = follow(world.ctx, place(), 'r1', io);
  startExecutor({ world, runbooks: [everyKind], run: 'r1', identity: 'a' });
  await settled(world.clock, following);
  expect(io.stderr()).not.toContain('\u001b');
  expect(io.stderr()).toContain('✓ m0: set final: it says yes\n');
});
