/** Paths that are no resources: discovery, OpenAPI, version, health, metrics. */
import type { ServerResponse } from '@polyanthus/ground-http/message';
import { errorAnswer, jsonAnswer, pageNotFound, textAnswer } from './answers.ts';
import type { DocumentRequest } from './document-request.ts';
import { serveDiscovery } from './discovery.ts';
import { serveHealth } from './health.ts';
import { serveIssuer } from './issuer-documents.ts';
import { openApiV2 } from './openapi/v2.ts';
import { openApiV3 } from './openapi/v3.ts';
import { methodNotAllowed } from './router.ts';
import { versionInfo } from './version-info.ts';

/** Throws NotFound for a path that leads nowhere. */
export async function serveDocument(asked: DocumentRequest): Promise<ServerResponse> {
  const path = asked.path.replace(/\/+$/, '') || '/';
  const { method } = asked.request;
  if (method !== 'GET' && method !== 'HEAD') return isKnown(path) ? errorAnswer(methodNotAllowed()) : pageNotFound();
  if (path === '/version') return jsonAnswer(200, versionInfo);
  if (path === '/metrics') return textAnswer(200, asked.cluster.metrics.expose());
  if (path === '/openapi/v2') return openApiV2(asked);
  if (path === '/openapi/v3' || path.startsWith('/openapi/v3/')) return openApiV3(asked, path);
  const issuer = await serveIssuer(asked.cluster, path);
  if (issuer !== undefined) return issuer;
  const health = serveHealth(asked, path);
  if (health !== undefined) return health;
  const discovery = serveDiscovery(asked, path);
  if (discovery !== undefined) return discovery;
  return pageNotFound();
}

const isKnown = (path: string): boolean =>
  path === '/' || path === '/version' || path === '/api' || path === '/apis' || path.startsWith('/openapi');
