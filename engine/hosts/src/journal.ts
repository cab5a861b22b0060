/** The journal of a host: what was begun there and how it ended, as lines that survive a power cut. */
import type { Context } from '@polyanthus/ground-base/context';
import { askHost, type FencedHost } from './protocol.ts';

/** One line. */
export interface JournalLine {
  readonly kind: 'claim' | 'release' | 'begin' | 'end';
  /** By the host's clock, for people: the order is that of the lines. */
  readonly time: string;
  /** Another one after every boot. */
  readonly boot: string;
  readonly epoch: number;
  /** Of `claim` and `release`: the holder; else the unit, whose last part is the attempt. */
  readonly subject: string;
  /** Of `end`. */
  readonly result?: string;
  /** Of `end`: exit code or signal, where there is one. */
  readonly code?: string;
}

/** Oldest first, ends that were not yet noted included. Lines that a power cut tore are left out. */
export async function readJournal(ctx: Context, host: FencedHost): Promise<readonly JournalLine[]> {
  return parseJournal((await askHost(ctx, host, { verb: 'journal' })).text);
}

const fieldsOf = { claim: 6, release: 6, begin: 6, end: 8 } as const;

/** Reads lines; whatever is none is left out. */
export function parseJournal(text: string): readonly JournalLine[] {
  return text.split('\n').flatMap((line) => {
    const fields = line.split('\t');
    const [kind = '', time = '', boot = '', epoch = '', subject = '', result = '', code = ''] = fields;
    if (!isKind(kind) || fields.length !== fieldsOf[kind] || fields.at(-1) !== '.') return [];
    const end = kind === 'end' ? { result, ...(code === '-' ? {} : { code }) } : {};
    return [{ kind, time, boot, epoch: Number(epoch), subject, ...end }];
  });
}

const isKind = (text: string): text is JournalLine['kind'] => Object.hasOwn(fieldsOf, text);
