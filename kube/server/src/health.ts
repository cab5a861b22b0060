/** /healthz, /livez, /readyz: `ok`, or with `?verbose` one line a check. */
import type { ServerResponse } from '@polyanthus/ground-http/message';
import { textAnswer } from './answers.ts';
import type { DocumentRequest } from './document-request.ts';

const paths: ReadonlySet<string> = new Set(['/healthz', '/livez', '/readyz']);

/** Undefined for other paths. A store that takes no writes makes readyz red, not livez. */
export function serveHealth({ cluster, query }: DocumentRequest, path: string): ServerResponse | undefined {
  const [, name = '', check] = path.split('/');
  if (!paths.has(`/${name}`)) return undefined;
  const checks: readonly (readonly [string, boolean])[] = [
    ['ping', true],
    ['log', true],
    ['etcd', name !== 'readyz' || cluster.store.writable],
  ];
  const chosen = check === undefined ? checks : checks.filter(([one]) => one === check);
  if (chosen.length === 0) return undefined;
  const healthy = chosen.every(([, ok]) => ok);
  if (healthy && !query.has('verbose')) return textAnswer(200, 'ok');
  const lines = chosen.map(([one, ok]) => (ok ? `[+]${one} ok` : `[-]${one} failed: reason withheld`));
  return textAnswer(healthy ? 200 : 500, `${lines.join('\n')}\n${name} check ${healthy ? 'passed' : 'failed'}\n`);
}
