import { describe, expect, it } from 'vitest';
import { isGroup, type CommandGroup } from '@polyanthus/ground-cli-kit/command';
import { polyanthus } from './testing.ts';
import { commandTree } from './tree.ts';

/** The words of every leaf. */
function leaves(group: CommandGroup, path: readonly string[] = []): readonly (readonly string[])[] {
  return Object.entries(group.commands).flatMap(([name, entry]) =>
    isGroup(entry) ? leaves(entry, [...path, name]) : [[...path, name]],
  );
}

describe('the command tree', () => {
  it('has help for every command, and refuses an unknown option of each with code 2', async () => {
    const all = leaves(commandTree);
    expect(all.length).toBeGreaterThan(20);
    for (const path of all) {
      const help = await polyanthus([...path, '--help'], {});
      expect(help, path.join(' ')).toMatchObject({ code: 0, stderr: '' });
      expect(help.stdout).toContain(`Usage: polyanthus ${path.join(' ')}`);
      const wrong = await polyanthus([...path, '--no-such-option'], {});
      expect(wrong, path.join(' ')).toMatchObject({ code: 2, stdout: '' });
      expect(wrong.stderr).toMatch(/--no-such-option[\s\S]*--help/);
    }
  });

  it('completes commands and options, and gives a script for each shell', async () => {
    expect((await polyanthus(['__complete', 'fleet', 're'], {})).stdout).toBe('register\n');
    expect((await polyanthus(['__complete', 'fleet', 'list', '--hub-k'], {})).stdout).toBe('--hub-kubeconfig\n');
    expect((await polyanthus(['__complete', 'fleet', 'list', '-o', ''], {})).stdout).toBe('json\nyaml\nwide\nname\n');
    for (const shell of ['bash', 'zsh', 'fish']) {
      const script = await polyanthus(['completion', shell], {});
      expect(script).toMatchObject({ code: 0, stderr: '' });
      expect(script.stdout).toContain('polyanthus __complete');
    }
    expect((await polyanthus(['completion', 'tcsh'], {})).code).toBe(2);
  });

  it('names the next step where no hub is configured', async () => {
    const answer = await polyanthus(['fleet', 'list'], { HOME: '/nonexistent' });
    expect(answer).toMatchObject({ code: 1, stdout: '' });
    expect(answer.stderr).toMatch(/no hub is configured.*\nnext: .*polyanthus login .*\(HubNotConfigured\)/);
    expect(await polyanthus(['__complete', 'fleet', 'describe', ''], { HOME: '/nonexistent' })).toMatchObject({
      stdout: '',
    });
  });
});
