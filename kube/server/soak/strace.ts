/** Runs a program under strace and reads what it wrote, synced, renamed and acknowledged, in order. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Operation } from '../src/store/crash-model.ts';

export const stracePath = '/usr/bin/strace';

const calls = 'pwrite64,write,fsync,fdatasync,ftruncate,rename,unlink,openat';
const longestStringBytes = 1_000_000;

/** Operations on the files of `directory`, and lines that begin with `ack ` on the standard output. */
export async function traceProgram(program: readonly string[], directory: string): Promise<Operation[]> {
  const scratch = await mkdtemp(join(tmpdir(), 'strace-'));
  try {
    const output = join(scratch, 'trace');
    const child = spawn(
      stracePath,
      ['-f', '-y', '-xx', '-s', String(longestStringBytes), '-e', `trace=${calls}`, '-o', output, ...program],
      {
        stdio: ['ignore', 'ignore', 'inherit'],
      },
    );
    const [code] = (await once(child, 'exit')) as [number | null];
    if (code !== 0) throw new Error(`${program.join(' ')} under strace ended with ${code}`);
    return parseTrace(await readFile(output, 'latin1'), directory);
  } finally {
    await rm(scratch, { recursive: true });
  }
}

/** A call stands where it ended, an acknowledgement where it began: the order that is to be proved. */
export function parseTrace(text: string, directory: string): Operation[] {
  const unfinished = new Map<string, string>();
  const operations: Operation[] = [];
  const add = (call: string): void => {
    const operation = operationOf(call, directory);
    if (operation !== undefined) operations.push(...operation);
  };
  for (const line of text.split('\n')) {
    const [, thread = '', rest = ''] = /^(\d+)\s+(.*)$/.exec(line) ?? [];
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest);
    if (resumed !== null) {
      const call = `${unfinished.get(thread) ?? ''}${resumed[1] ?? ''}`;
      if (!isAcknowledgement(call)) add(call);
    } else if (rest.endsWith('<unfinished ...>')) {
      const call = rest.slice(0, -'<unfinished ...>'.length).trimEnd();
      unfinished.set(thread, call);
      if (isAcknowledgement(call)) add(`${call}) = 0`);
    } else add(rest);
  }
  return operations;
}

const acknowledgement = String.raw`write(1<`;

function isAcknowledgement(call: string): boolean {
  return call.startsWith(acknowledgement);
}

const hexText = String.raw`"((?:\\x[0-9a-f]{2})*)"`;
const descriptor = String.raw`\d+<([^>]*)>`;
const patterns = {
  pwrite: new RegExp(String.raw`^pwrite64\(${descriptor}, ${hexText}, \d+, (\d+)\) += \d+`),
  write: new RegExp(String.raw`^write\(${descriptor}, ${hexText}, \d+`),
  sync: new RegExp(String.raw`^f(?:data)?sync\(${descriptor}\) += 0`),
  truncate: new RegExp(String.raw`^ftruncate\(${descriptor}, (\d+)\) += 0`),
  rename: new RegExp(String.raw`^rename\(${hexText}, ${hexText}\) += 0`),
  unlink: new RegExp(String.raw`^unlink\(${hexText}\) += 0`),
  create: new RegExp(String.raw`^openat\([^,]*, ${hexText}, [^)]*O_CREAT[^)]*\) += \d`),
} as const;

function operationOf(call: string, directory: string): Operation[] | undefined {
  const name = call.slice(0, call.indexOf('('));
  const match = (pattern: keyof typeof patterns): string[] | null => patterns[pattern].exec(call);
  const inside = (path: string): string | undefined => (path.startsWith(`${directory}/`) ? basename(path) : undefined);
  if (name === 'pwrite64') {
    const [, path = '', data = '', offset = ''] = match('pwrite') ?? [];
    return on(inside(plain(path)), (file) => ({
      kind: 'write',
      file,
      offset: Number(offset),
      data: bytesOf(data).toString('base64'),
    }));
  }
  if (name === 'write') return isAcknowledgement(call) ? acknowledged(match('write')?.[2] ?? '') : undefined;
  if (name === 'fsync' || name === 'fdatasync') {
    const path = plain(match('sync')?.[1] ?? '');
    return path === directory ? [{ kind: 'sync-directory' }] : on(inside(path), (file) => ({ kind: 'sync', file }));
  }
  if (name === 'ftruncate') {
    const [, path = '', length = ''] = match('truncate') ?? [];
    return on(inside(plain(path)), (file) => ({ kind: 'truncate', file, length: Number(length) }));
  }
  if (name === 'rename') {
    const [, from = '', to = ''] = match('rename') ?? [];
    return on(inside(bytesOf(from).toString()), (file) => ({
      kind: 'rename',
      file,
      to: basename(bytesOf(to).toString()),
    }));
  }
  if (name === 'unlink')
    return on(inside(bytesOf(match('unlink')?.[1] ?? '').toString()), (file) => ({ kind: 'unlink', file }));
  return on(inside(bytesOf(match('create')?.[1] ?? '').toString()), (file) => ({ kind: 'create', file }));
}

function on(file: string | undefined, make: (file: string) => Operation): Operation[] | undefined {
  return file === undefined ? undefined : [make(file)];
}

function acknowledged(hex: string): Operation[] {
  const found: Operation[] = [];
  for (const line of bytesOf(hex).toString().split('\n')) {
    const [word, revision, key = '', crc = '-'] = line.split(' ');
    if (word === 'ack')
      found.push({ kind: 'ack', revision: Number(revision), key, ...(crc === '-' ? {} : { crc: Number(crc) }) });
  }
  return found;
}

/** The path of a descriptor, which strace may write in hex too. */
function plain(path: string): string {
  return path.includes('\\x') ? bytesOf(path).toString() : path;
}

function bytesOf(hex: string): Buffer {
  return Buffer.from(hex.replaceAll('\\x', ''), 'hex');
}
