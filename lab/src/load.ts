/**
 * Load from outside of the tests' process: `node lab/src/load.ts RATE URL…`. Sends GETs at a steady rate, every other one on a
 * new connection, the rest on kept ones; on SIGTERM prints what became of them as one line of JSON.
 */
import { Agent, get } from 'node:http';
import { argv, stdout } from 'node:process';
import { setInterval } from 'node:timers';

const rate = Number(argv[2]);
const urls = argv.slice(3);
const underWayMax = 400;
const timeoutMs = 10_000;
const kept = new Agent({ keepAlive: true, maxSockets: 16 });
const fresh = new Agent({ keepAlive: false });

/** What the load saw. Reasons are `KIND: CODE`, of those that got no 200. */
export interface LoadFigures {
  readonly seconds: number;
  readonly sent: { readonly new: number; readonly kept: number };
  readonly lost: { readonly new: number; readonly kept: number };
  readonly reasons: Readonly<Record<string, number>>;
  /** Not sent, because too many were under way. */
  readonly skipped: number;
  readonly slowestMs: number;
}

const started = performance.now();
const sent = { new: 0, kept: 0 };
const lost = { new: 0, kept: 0 };
const reasons: Record<string, number> = {};
let [underWay, skipped, slowestMs, due] = [0, 0, 0, 0];

function send(index: number): void {
  if (underWay >= underWayMax) {
    skipped += 1;
    return;
  }
  const kind = index % 2 === 0 ? 'new' : 'kept';
  const began = performance.now();
  let open = true;
  underWay += 1;
  sent[kind] += 1;
  const end = (reason: string | undefined): void => {
    if (!open) return;
    open = false;
    underWay -= 1;
    slowestMs = Math.max(slowestMs, performance.now() - began);
    if (reason === undefined) return;
    lost[kind] += 1;
    reasons[`${kind}: ${reason}`] = (reasons[`${kind}: ${reason}`] ?? 0) + 1;
  };
  const agent = kind === 'new' ? fresh : kept;
  const url = urls[Math.floor(index / 2) % urls.length] ?? '';
  const call = get(url, { agent, timeout: timeoutMs }, (answer) => {
    answer.resume();
    answer.once('end', () => end(answer.statusCode === 200 ? undefined : String(answer.statusCode)));
    answer.once('close', () => end('cut in the middle'));
  });
  call.once('timeout', () => call.destroy(Object.assign(new Error('timeout'), { code: 'timeout' })));
  call.once('error', (error: NodeJS.ErrnoException) =>
    end(`${error.code ?? error.message}${call.reusedSocket ? ' on a reused connection' : ''}`),
  );
}

setInterval(() => {
  const wanted = Math.floor(((performance.now() - started) / 1000) * rate);
  for (; due < wanted; due++) send(due);
}, 10);

process.once('SIGTERM', () => {
  const seconds = (performance.now() - started) / 1000;
  const figures: LoadFigures = { seconds, sent, lost, reasons, skipped, slowestMs: Math.round(slowestMs) };
  stdout.write(`${JSON.stringify(figures)}\n`, () => process.exit(0));
});
stdout.write('load begins\n');
