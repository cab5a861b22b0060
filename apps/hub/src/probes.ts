/** What kubelets and balancers ask a replica, without credentials: that it is there, and that new work may come to it. */
import type { Handler } from '@polyanthus/ground-http/message';

/** Of the replica itself; `/readyz` without `/hub` is that of the hub's API. */
export const readyPath = '/hub/readyz';
export const livePath = '/hub/livez';

/** The handlers by path. A replica serves only once its caches are filled, and is not ready while it drains. */
export function probes(ready: () => boolean): Readonly<Record<string, Handler>> {
  const say =
    (good: () => boolean): Handler =>
    async () => ({
      status: good() ? 200 : 503,
      headers: { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' },
      body: Buffer.from(good() ? 'ok\n' : 'draining\n'),
    });
  return { [readyPath]: say(ready), [livePath]: say(() => true) };
}
