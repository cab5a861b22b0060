/** A container's log as kubelet serves it (PodLogOptions). */
import { untilAborted, type Context } from '@polyanthus/ground-base/context';
import type { ContainerBehaviour, LogLine } from './behaviour.ts';

export interface LogOptions {
  readonly follow: boolean;
  readonly previous: boolean;
  readonly timestamps: boolean;
  readonly tailLines: number | undefined;
  /** Lines before this time are left out, milliseconds since the epoch. */
  readonly sinceMs: number | undefined;
  readonly limitBytes: number | undefined;
}

const linesPerPiece = 500;

/** Reads a query; undefined when a value is not allowed. */
export function logOptionsOf(query: URLSearchParams, nowMs: number): LogOptions | undefined {
  const tailLines = count(query, 'tailLines', 0);
  const sinceSeconds = count(query, 'sinceSeconds', 1);
  const limitBytes = count(query, 'limitBytes', 1);
  const sinceTime = query.has('sinceTime') ? Date.parse(query.get('sinceTime') ?? '') : undefined;
  if (
    [tailLines, sinceSeconds, limitBytes, sinceTime].some(Number.isNaN) ||
    (sinceSeconds !== undefined && sinceTime !== undefined)
  )
    return undefined;
  return {
    follow: flag(query, 'follow'),
    previous: flag(query, 'previous'),
    timestamps: flag(query, 'timestamps'),
    tailLines,
    sinceMs: sinceSeconds === undefined ? sinceTime : nowMs - sinceSeconds * 1_000,
    limitBytes,
  };
}

/** The log's bytes; with `follow` until the container or the client ends. */
export async function* readLogs(
  ctx: Context,
  behaviour: ContainerBehaviour,
  history: readonly LogLine[],
  options: LogOptions,
): AsyncGenerator<Uint8Array> {
  const budget = { bytes: options.limitBytes ?? Infinity };
  const take = (lines: readonly LogLine[]): Uint8Array => {
    const bytes = Buffer.from(lines.map((line) => render(line, options.timestamps)).join('')).subarray(0, budget.bytes);
    budget.bytes -= bytes.length;
    return bytes;
  };
  const wanted = history.filter((line) => options.sinceMs === undefined || line.atMs >= options.sinceMs);
  const tail = options.tailLines === undefined ? wanted : wanted.slice(Math.max(0, wanted.length - options.tailLines));
  for (let at = 0; at < tail.length && budget.bytes > 0; at += linesPerPiece)
    yield take(tail.slice(at, at + linesPerPiece));
  if (!options.follow || budget.bytes <= 0) return;
  if (behaviour.liveLogs === undefined) await untilGone(ctx);
  else yield* live(ctx, behaviour.liveLogs(ctx), budget, take);
}

async function* live(
  ctx: Context,
  lines: AsyncIterable<LogLine>,
  budget: { readonly bytes: number },
  take: (lines: readonly LogLine[]) => Uint8Array,
): AsyncGenerator<Uint8Array> {
  for await (const line of lines) {
    if (ctx.signal.aborted) return;
    yield take([line]);
    if (budget.bytes <= 0) return;
  }
}

/** Resolves when the client has gone away. */
export async function untilGone(ctx: Context): Promise<void> {
  await untilAborted(ctx, new Promise<never>(() => undefined)).catch(() => undefined);
}

function render(line: LogLine, timestamps: boolean): string {
  return `${timestamps ? `${new Date(line.atMs).toISOString().replace('Z', '000000Z')} ` : ''}${line.text}\n`;
}

function flag(query: URLSearchParams, name: string): boolean {
  return query.get(name) === 'true' || query.get(name) === '1';
}

/** NaN when it is given and not a whole number from `least` on. */
function count(query: URLSearchParams, name: string, least: number): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  return /^\d{1,15}$/.test(text) && Number(text) >= least ? Number(text) : Number.NaN;
}
