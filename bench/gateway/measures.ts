/** What is measured of one way, each by the load generator in a process of its own. */
import { cpuSeconds, load } from './children.ts';
import type { Way } from './ways.ts';

/** Figures of one measurement, by the name of the row that they make. */
export type Figures = Readonly<Record<string, number>>;

/** Paths of a target. */
export interface TargetPaths {
  readonly get: string;
  readonly stream?: string;
  readonly watch?: string;
}

/** One measurement. */
export interface Measure {
  readonly name: string;
  readonly run: (way: Way, paths: TargetPaths, seconds: number) => Promise<Figures>;
}

async function withCpu(way: Way, run: () => Promise<Figures>): Promise<{ figures: Figures; cpu: number }> {
  const before = cpuSeconds(way.pids);
  const figures = await run();
  return { figures, cpu: cpuSeconds(way.pids) - before };
}

function gets(callers: number): Measure {
  return {
    name: `get-${callers}`,
    run: async (way, paths, seconds) => {
      const flags = { url: way.url + paths.get, token: way.token, callers, seconds };
      await load('get', { ...flags, seconds: 1, warm: 0 });
      const { figures, cpu } = await withCpu(way, () => load('get', { ...flags, warm: 0 }));
      const count = figures['count'] ?? 1;
      return {
        [`GET, ${callers} callers: p50 ms`]: figures['p50Ms'] ?? 0,
        [`GET, ${callers} callers: p99 ms`]: figures['p99Ms'] ?? 0,
        [`GET, ${callers} callers: requests/s`]: figures['perSecond'] ?? 0,
        ...(way.pids.length === 0 ? {} : { [`GET, ${callers} callers: CPU s per 1,000`]: (cpu / count) * 1_000 }),
        ...failed(figures, `GET, ${callers} callers`),
      };
    },
  };
}

function failed(figures: Figures, what: string): Figures {
  return (figures['errors'] ?? 0) === 0 ? {} : { [`${what}: errors`]: figures['errors'] ?? 0 };
}

const stream: Measure = {
  name: 'stream',
  run: async (way, paths) => {
    if (paths.stream === undefined) return {};
    const flags = { url: way.url + paths.stream, token: way.token };
    await load('stream', flags);
    const { figures, cpu } = await withCpu(way, () => load('stream', flags));
    return {
      'one stream of 256 MiB: MB/s': figures['mbPerSecond'] ?? 0,
      ...(way.pids.length === 0 ? {} : { 'one stream: CPU s per GB': (cpu / (figures['bytes'] ?? 1)) * 1e9 }),
    };
  },
};

const watch: Measure = {
  name: 'watch',
  run: async (way, paths, seconds) => {
    if (paths.watch === undefined) return {};
    const figures = await load('watch', { url: way.url + paths.watch, token: way.token, callers: 1, seconds });
    return { 'one watch: events/s': figures['perSecond'] ?? 0 };
  },
};

const stalled: Measure = {
  name: 'stalled',
  run: async (way, paths, seconds) => {
    if (paths.stream === undefined) return {};
    const flags = { url: way.url + paths.get, token: way.token, callers: 16, seconds };
    const free = await load('get', flags);
    const { figures, cpu } = await withCpu(way, () => load('stalled', { ...flags, stall: way.url + paths.stream }));
    return {
      '64 streams stalled, 16 callers: p50 ms': figures['p50Ms'] ?? 0,
      '64 streams stalled, 16 callers: p99 ms': figures['p99Ms'] ?? 0,
      '64 streams stalled, 16 callers: requests/s': figures['perSecond'] ?? 0,
      '64 streams stalled: requests/s against none stalled': (figures['perSecond'] ?? 0) / (free['perSecond'] ?? 1),
      ...(way.pids.length === 0 ? {} : { '64 streams stalled: CPU s': cpu }),
      ...failed(figures, '64 streams stalled'),
    };
  },
};

/** All, in the order of the table. */
export const measures: readonly Measure[] = [gets(1), gets(16), gets(128), stream, watch, stalled];
