/**
 * A file that only grows: one line per entry, `<crc32 in 8 hex digits> <JSON>`, each durable before `append` resolves. A
 * crash can leave a torn last line: it was never acknowledged, so opening cuts it off. Damage before the end is an error.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { Mutex } from '@polyanthus/ground-base/mutex';
import { privateFileMode, syncDirectory } from './durable.ts';
import { filesErrors } from './errors.ts';

/** An open journal. */
export interface Journal {
  /** What stood in the file when it was opened, oldest first. */
  readonly entries: readonly unknown[];
  /** Resolves once the entry (any JSON value) is durable. After a failure the journal takes no more. */
  append(entry: unknown): Promise<void>;
  close(): Promise<void>;
}

/** Opens or creates the journal. Throws JournalDamaged, which names the file and the line. One process at a time. */
export async function openJournal(path: string): Promise<Journal> {
  const file = await open(path, 'a+', privateFileMode);
  try {
    const { entries, length } = parse(await file.readFile(), path);
    await file.truncate(length);
    await file.sync();
    await syncDirectory(dirname(path));
    return new FileJournal(file, entries);
  } catch (error) {
    await file.close();
    throw error;
  }
}

class FileJournal implements Journal {
  readonly entries: readonly unknown[];
  readonly #file: FileHandle;
  readonly #order = new Mutex();
  #failure: unknown;

  constructor(file: FileHandle, entries: readonly unknown[]) {
    this.#file = file;
    this.entries = entries;
  }

  append(entry: unknown): Promise<void> {
    const line = lineOf(entry);
    return this.#order.run(async () => {
      if (this.#failure !== undefined) throw this.#failure;
      try {
        await this.#file.appendFile(line);
        await this.#file.datasync();
      } catch (error) {
        // Half a line may stand there: a later entry behind it would read as damage.
        this.#failure = error;
        throw error;
      }
    });
  }

  close(): Promise<void> {
    return this.#order.run(() => this.#file.close());
  }
}

function lineOf(entry: unknown): string {
  const json = JSON.stringify(entry);
  if (json === undefined) throw new TypeError('a journal entry must be a JSON value');
  return `${checksum(json)} ${json}\n`;
}

function checksum(text: string | Uint8Array): string {
  return crc32(text).toString(16).padStart(8, '0');
}

const newline = 0x0a;

/** The whole entries, and how many bytes they take. */
function parse(content: Uint8Array, path: string): { entries: unknown[]; length: number } {
  const entries: unknown[] = [];
  let start = 0;
  for (let stop = content.indexOf(newline); stop >= 0; stop = content.indexOf(newline, start)) {
    const entry = parseLine(content.subarray(start, stop));
    if (entry === undefined) {
      // Blocks of the last write may reach the disk in any order; only the last line may be torn.
      if (stop === content.length - 1) break;
      throw filesErrors.error('JournalDamaged', `${path}: line ${entries.length + 1} does not have its checksum`);
    }
    entries.push(entry.value);
    start = stop + 1;
  }
  return { entries, length: start };
}

function parseLine(line: Uint8Array): { readonly value: unknown } | undefined {
  const json = line.subarray(9);
  const head = Buffer.from(line.subarray(0, 9)).toString('latin1');
  if (head !== `${checksum(json)} `) return undefined;
  return { value: JSON.parse(Buffer.from(json).toString('utf8')) };
}
