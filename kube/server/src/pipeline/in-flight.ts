/** How many requests are at work at once (apiserver's max-requests-inflight), long ones counted apart. */
import type { Gauge } from '@polyanthus/ground-base/metrics';
import { statusError } from '@polyanthus/kube-objects/status';
import type { InFlight } from './serve.ts';

export interface InFlightLimits {
  readonly mutating: number;
  readonly readOnly: number;
  readonly long: number;
}

/** kube-apiserver's defaults; watches and streams are bounded too, so that no client can open them without end. */
export const defaultInFlight: InFlightLimits = { mutating: 200, readOnly: 400, long: 20_000 };

/** Counts, and refuses with TooManyRequests. */
export function createInFlight(limits: InFlightLimits, gauge: Gauge): InFlight {
  const now = { mutating: 0, readOnly: 0, long: 0 };
  return {
    enter: (kind) => {
      if (now[kind] >= limits[kind])
        throw statusError('TooManyRequests', 'Too many requests, please try again later.', { retryAfterSeconds: 1 });
      now[kind] += 1;
      gauge.set(now[kind], { request_kind: kind });
      return () => {
        now[kind] -= 1;
        gauge.set(now[kind], { request_kind: kind });
      };
    },
  };
}
