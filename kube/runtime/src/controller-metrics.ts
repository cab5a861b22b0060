/** Metrics of a controller under controller-runtime's names. */
import type { MetricsRegistry } from '@polyanthus/ground-base/metrics';

/** What a controller counts. */
export interface ControllerMetrics {
  result(result: 'success' | 'error' | 'requeue_after'): void;
  terminal(): void;
  panicked(): void;
  timedOut(): void;
  took(ms: number): void;
  active(by: 1 | -1): void;
}

const bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60];

/** Declares the metrics; `controller` is the label. */
export function controllerMetrics(metrics: MetricsRegistry, controller: string, workers: number): ControllerMetrics {
  const labels = { controller };
  const total = metrics.counter('controller_runtime_reconcile_total', 'Total number of reconciliations per controller');
  const errors = metrics.counter(
    'controller_runtime_reconcile_errors_total',
    'Total number of reconciliation errors per controller',
  );
  const terminal = metrics.counter(
    'controller_runtime_terminal_reconcile_errors_total',
    'Total number of terminal reconciliation errors per controller',
  );
  const panics = metrics.counter(
    'controller_runtime_reconcile_panics_total',
    'Total number of reconciliation panics per controller',
  );
  const timeouts = metrics.counter(
    'controller_runtime_reconcile_timeouts_total',
    'Total number of reconciliation timeouts per controller',
  );
  const time = metrics.histogram(
    'controller_runtime_reconcile_time_seconds',
    'Length of time per reconciliation per controller',
    bounds,
  );
  const active = metrics.gauge('controller_runtime_active_workers', 'Number of currently used workers per controller');
  metrics
    .gauge('controller_runtime_max_concurrent_reconciles', 'Maximum number of concurrent reconciles per controller')
    .set(workers, labels);
  return {
    result: (result) => {
      total.add({ ...labels, result });
      if (result === 'error') errors.add(labels);
    },
    terminal: () => terminal.add(labels),
    panicked: () => panics.add(labels),
    timedOut: () => timeouts.add(labels),
    took: (ms) => time.observe(ms / 1000, labels),
    active: (by) => active.add(by, labels),
  };
}
