/** Counters, gauges and histograms with labels, and the Prometheus text form (exposition format 0.0.4). */

type Labels = Readonly<Record<string, string>>;

interface Series {
  readonly labels: Labels;
  value: number;
  buckets?: number[];
  count?: number;
}

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly bounds?: readonly number[];
  readonly series: Map<string, Series>;
  /** The same by labels as a caller names them, in its order: sorting and escaping at each count would cost more than it. */
  readonly byCall: Map<string, Series>;
}

/** Goes up only. */
export interface Counter {
  add(labels?: Labels, by?: number): void;
}
/** Goes up and down. */
export interface Gauge {
  set(value: number, labels?: Labels): void;
  add(by: number, labels?: Labels): void;
}
/** Observations in the unit of the metric's name, usually seconds. */
export interface Histogram {
  observe(value: number, labels?: Labels): void;
}

/** At most this many label sets a metric; further ones are counted under the last, so that no input can exhaust memory. */
const seriesMax = 10_000;

/** Holds the metrics of one process. Declaring a name twice gives the same metric. */
export class MetricsRegistry {
  readonly #families = new Map<string, Family>();

  counter(name: string, help: string): Counter {
    const family = this.#family(name, help, 'counter');
    return { add: (labels = {}, by = 1) => void (series(family, labels).value += by) };
  }

  gauge(name: string, help: string): Gauge {
    const family = this.#family(name, help, 'gauge');
    return {
      set: (value, labels = {}) => void (series(family, labels).value = value),
      add: (by, labels = {}) => void (series(family, labels).value += by),
    };
  }

  histogram(name: string, help: string, bounds: readonly number[]): Histogram {
    const family = this.#family(name, help, 'histogram', bounds);
    return {
      observe: (value, labels = {}) => {
        const one = series(family, labels);
        one.buckets ??= bounds.map(() => 0);
        one.count = (one.count ?? 0) + 1;
        one.value += value;
        bounds.forEach((bound, index) => {
          if (value <= bound && one.buckets !== undefined) one.buckets[index] = (one.buckets[index] ?? 0) + 1;
        });
      },
    };
  }

  /** The Prometheus text form. */
  expose(): string {
    const lines: string[] = [];
    for (const family of this.#families.values()) {
      lines.push(`# HELP ${family.name} ${family.help.replaceAll('\n', ' ')}`, `# TYPE ${family.name} ${family.type}`);
      for (const one of family.series.values()) exposeSeries(family, one, lines);
    }
    return `${lines.join('\n')}\n`;
  }

  #family(name: string, help: string, type: Family['type'], bounds?: readonly number[]): Family {
    let family = this.#families.get(name);
    if (family === undefined) {
      family = { name, help, type, series: new Map(), byCall: new Map(), ...(bounds === undefined ? {} : { bounds }) };
      this.#families.set(name, family);
    }
    return family;
  }
}

function series(family: Family, labels: Labels): Series {
  let call = '';
  for (const name of Object.keys(labels)) call += `${name}\0${labels[name]}\0`;
  const known = family.byCall.get(call);
  if (known !== undefined) return known;
  const found = seriesOf(family, labels);
  if (family.byCall.size < seriesMax) family.byCall.set(call, found);
  return found;
}

function seriesOf(family: Family, labels: Labels): Series {
  const key = render(labels);
  let one = family.series.get(key);
  if (one === undefined) {
    if (family.series.size >= seriesMax) return [...family.series.values()].at(-1) as Series;
    one = { labels, value: 0 };
    family.series.set(key, one);
  }
  return one;
}

function exposeSeries(family: Family, one: Series, lines: string[]): void {
  if (family.type !== 'histogram') {
    lines.push(`${family.name}${render(one.labels)} ${one.value}`);
    return;
  }
  family.bounds?.forEach((bound, index) =>
    lines.push(`${family.name}_bucket${render({ ...one.labels, le: String(bound) })} ${one.buckets?.[index] ?? 0}`),
  );
  lines.push(`${family.name}_bucket${render({ ...one.labels, le: '+Inf' })} ${one.count ?? 0}`);
  lines.push(
    `${family.name}_sum${render(one.labels)} ${one.value}`,
    `${family.name}_count${render(one.labels)} ${one.count ?? 0}`,
  );
}

function render(labels: Labels): string {
  const names = Object.keys(labels).sort();
  if (names.length === 0) return '';
  return `{${names.map((name) => `${name}="${escape(labels[name] ?? '')}"`).join(',')}}`;
}

function escape(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
