import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { background } from '@polyanthus/ground-base/context';
import { agentManifest, readyFileName } from '@polyanthus/domains-fleet/agent-manifest';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { readyFile } from './ready-file.ts';

let folder: string;
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'polyanthus-ready-'))));
afterEach(() => rm(folder, { recursive: true, force: true }));

it('is there as the last call said, whatever came before', async () => {
  const set = readyFile(background(), folder);
  const path = join(folder, readyFileName);
  for (const ready of [false, true, false, true]) set(ready);
  await vi.waitFor(() => expect(existsSync(path)).toBe(true), { timeout: 20_000 });
  for (const ready of [true, false]) set(ready);
  await vi.waitFor(() => expect(existsSync(path)).toBe(false), { timeout: 20_000 });
});

it('is where the probe of every role looks', () => {
  const text = {
    membershipUid: 'uid',
    version: 'v1.37.2',
    ceiling: 'full',
    hubUrl: 'https://hub',
    image: 'i',
  } as const;
  const made = agentManifest({ ...text, fleet: 'default', membership: 'm', hubCaPem: 'pem' });
  const containers = made
    .filter(({ kind }) => kind === 'Deployment')
    .map(
      (one) =>
        (one as unknown as { spec: { template: { spec: { containers: object[] } } } }).spec.template.spec.containers[0],
    );
  expect(containers).toHaveLength(2);
  for (const one of containers) {
    const { args, readinessProbe } = one as { args: string[]; readinessProbe: { exec: { command: string[] } } };
    const stateFolder = args.find((arg) => arg.startsWith('--state-dir='))?.slice('--state-dir='.length) ?? '';
    expect(readinessProbe.exec.command.at(-1)).toContain(`'${join(stateFolder, readyFileName)}'`);
  }
});
