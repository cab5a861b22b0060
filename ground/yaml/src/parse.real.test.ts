/** What a scalar means, compared with the real kubectl: it prints the extensions of a kubeconfig as JSON. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { binary, whyNotReal } from '../../../lab/src/parts.ts';
import { parseYaml } from './parse.ts';
import type { YamlObject } from './value.ts';

const run = promisify(execFile);
const why = whyNotReal(['kubectl', '1.37.2']);
const kubectl = binary('kubectl', '1.37.2');

const scalars = [
  'y',
  'Y',
  'yes',
  'Yes',
  'YES',
  'yEs',
  'n',
  'no',
  'on',
  'On',
  'off',
  'OFF',
  'true',
  'TRUE',
  'False',
  'null',
  'Null',
  '~',
  '',
  '0',
  '-0',
  '+5',
  '007',
  '0777',
  '08',
  '0o17',
  '0O17',
  '0x1F',
  '0X1f',
  '-0x10',
  '0b101',
  '-0b11',
  '0b2',
  '1_000',
  '_1',
  '1__0',
  '0x',
  '0x_1F',
  '1.',
  '.5',
  '-.5',
  '1e3',
  '1E+3',
  '1.5e-3',
  '1e',
  '.e1',
  '+.5',
  '1_0.5',
  '1.2.3',
  '1e999',
  '12e03',
  '9007199254740993',
  '9223372036854775807',
  '-9223372036854775808',
  '-9223372036854775809',
  '18446744073709551615',
  '18446744073709551616',
  '123456789012345678901234567890',
  '2020-01-01',
  '2020-01-01T00:00:00Z',
  '1:30',
  '190:20:30',
  '<<',
  '=',
  '"yes"',
  "'0777'",
  '!!str 5',
  '!!str yes',
  '!!int "5"',
  '!!float 5',
  '!!binary aGk=',
  '! 12',
  '|-\n      text',
  '>-\n      a\n      b',
  'a: b'.replace(': ', ':'),
  'a#b',
  "it's",
  '-x',
  '?x',
  ':x',
  '@'.replace('@', 'x@'),
];

describe.skipIf(why !== undefined)(why ?? 'kubectl', () => {
  it(`reads ${scalars.length} scalars, as values and as keys where it takes them, as we do`, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'polyanthus-yaml-'));
    try {
      for (const [index, scalar] of scalars.entries()) {
        const block = scalar.includes('\n');
        const key =
          block ||
          scalar === '' ||
          ['~', 'null', 'Null', '<<', '?x', '!!binary aGk=', '18446744073709551615'].includes(scalar)
            ? 'key'
            : scalar;
        const extension = `    v: ${scalar}\n    k:\n      ${key}: 1\n`;
        const path = join(folder, String(index));
        await writeFile(path, `apiVersion: v1\nkind: Config\nextensions:\n- name: x\n  extension:\n${extension}`);
        const { stdout } = await run(kubectl ?? '', ['config', 'view', '--raw', '-o', 'json', '--kubeconfig', path]);
        const theirs = (parseYaml(stdout) as YamlObject)['extensions'] as readonly YamlObject[];
        expect([scalar, parseYaml(extension)]).toEqual([scalar, theirs[0]?.['extension']]);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
