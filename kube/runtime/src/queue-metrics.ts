/** Metrics of a work queue under the names that dashboards of controller-runtime know. */
import type { MetricsRegistry } from '@polyanthus/ground-base/metrics';

/** What a work queue counts; times in milliseconds. */
export interface QueueMetrics {
  added(): void;
  retried(): void;
  depth(size: number): void;
  taken(size: number, waitedMs: number): void;
  worked(tookMs: number): void;
}

const bounds = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10];

/** Declares the metrics; the queue's name is the label. */
export function queueMetrics(metrics: MetricsRegistry, name: string): QueueMetrics {
  const labels = { name, controller: name };
  const depth = metrics.gauge('workqueue_depth', 'Current depth of workqueue');
  const adds = metrics.counter('workqueue_adds_total', 'Total number of adds handled by workqueue');
  const retries = metrics.counter('workqueue_retries_total', 'Total number of retries handled by workqueue');
  const waited = metrics.histogram(
    'workqueue_queue_duration_seconds',
    'How long in seconds an item stays in workqueue before being requested',
    bounds,
  );
  const worked = metrics.histogram(
    'workqueue_work_duration_seconds',
    'How long in seconds processing an item from workqueue takes.',
    bounds,
  );
  return {
    added: () => adds.add(labels),
    retried: () => retries.add(labels),
    depth: (size) => depth.set(size, labels),
    taken: (size, waitedMs) => {
      depth.set(size, labels);
      waited.observe(waitedMs / 1000, labels);
    },
    worked: (tookMs) => worked.observe(tookMs / 1000, labels),
  };
}
