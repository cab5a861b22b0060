import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { makeDirectory, removeDurably, writeDurably } from './durable.ts';
import { openJournal } from './journal.ts';
import { lockFile } from './lock.ts';

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'files-'));
});
afterEach(() => rm(directory, { recursive: true }));

describe('durable writes', () => {
  test.skipIf(process.platform !== 'linux')('say so where no directory can be made, and end', async () => {
    await expect(makeDirectory('/proc/none/below')).rejects.toMatchObject({ code: 'FileNotWritten' });
  });

  test('replace a file, leave no temporary one, and are private', async () => {
    const path = join(directory, 'a', 'b', 'key');
    await makeDirectory(join(directory, 'a', 'b'));
    await writeFile(`${path}.tmp`, 'left by a crash');
    await writeDurably(path, 'one');
    await writeDurably(path, new TextEncoder().encode('two'));
    expect(await readFile(path, 'utf8')).toBe('two');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(join(directory, 'a'))).mode & 0o777).toBe(0o700);
    expect(await readdir(join(directory, 'a', 'b'))).toEqual(['key']);
    await removeDurably(path);
    await removeDurably(path);
    expect(await readdir(join(directory, 'a', 'b'))).toEqual([]);
  });

  test('keep the old file when the new one cannot be put in its place', async () => {
    await makeDirectory(join(directory, 'taken', 'child'));
    await expect(writeDurably(join(directory, 'taken'), 'x')).rejects.toMatchObject({ code: 'FileNotWritten' });
    expect(await readdir(join(directory, 'taken'))).toEqual(['child']);
  });
});

describe('the lock', () => {
  test('is refused while held, in the same process and from another, naming the pid', async () => {
    const path = join(directory, 'lock');
    const lock = lockFile(path, process.pid);
    expect(() => lockFile(path, process.pid)).toThrow(`held by process ${process.pid}`);
    lock.release();
    const child = spawn(process.execPath, ['-e', holder, fileURLToPath(new URL('lock.ts', import.meta.url)), path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    expect(() => lockFile(path, process.pid)).toThrow(`held by process ${child.pid}`);
    child.kill('SIGKILL');
    await once(child, 'exit');
    lockFile(path, process.pid).release();
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });
});

const holder = `
  import(process.argv[1]).then(({ lockFile }) => {
    globalThis.lock = lockFile(process.argv[2], process.pid);
    process.stdout.write('held');
    setInterval(() => undefined, 1000);
  });`;

describe('the journal', () => {
  test('gives back what was appended, in order, also of concurrent appends', async () => {
    const path = join(directory, 'journal');
    const first = await openJournal(path);
    await Promise.all([1, 2, 3].map((number) => first.append({ number, text: 'Grüße\n' })));
    await first.close();
    const second = await openJournal(path);
    expect(second.entries).toEqual([1, 2, 3].map((number) => ({ number, text: 'Grüße\n' })));
    await second.append('more');
    await second.close();
    const third = await openJournal(path);
    expect(third.entries).toHaveLength(4);
    await third.close();
  });

  test('cut at any byte keeps every whole line and goes on', async () => {
    const path = join(directory, 'cut');
    await fc.assert(
      fc.asyncProperty(fc.array(fc.jsonValue(), { minLength: 1, maxLength: 5 }), fc.nat(), async (values, at) => {
        await rm(path, { force: true });
        const whole = await openJournal(path);
        const ends = [0];
        for (const value of values) {
          await whole.append(value);
          ends.push((await stat(path)).size);
        }
        await whole.close();
        const length = at % ((ends.at(-1) ?? 0) + 1);
        await truncate(path, length);
        const cut = await openJournal(path);
        const kept = ends.filter((end) => end <= length).length - 1;
        expect(JSON.stringify(cut.entries)).toBe(JSON.stringify(values.slice(0, kept)));
        await cut.append('next');
        await cut.close();
        const again = await openJournal(path);
        expect(again.entries).toHaveLength(kept + 1);
        await again.close();
      }),
      { numRuns: 40, interruptAfterTimeLimit: 2000 },
    );
  });

  test('refuses damage before its last line and takes a damaged last one as torn', async () => {
    const path = join(directory, 'damaged');
    await writeFile(path, '');
    const journal = await openJournal(path);
    await journal.append('first');
    await journal.close();
    await appendFile(path, '00000000 "torn"\n');
    const reopened = await openJournal(path);
    expect(reopened.entries).toEqual(['first']);
    await reopened.close();
    const content = await readFile(path);
    await writeFile(path, Buffer.concat([Buffer.from('00000000 "bad"\n'), content]));
    await expect(openJournal(path)).rejects.toMatchObject({
      code: 'JournalDamaged',
      message: expect.stringContaining('line 1'),
    });
  });
});
