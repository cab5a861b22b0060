/** /openapi/v3: one document per group version, named with the hash of its content. */
import { createHash } from 'node:crypto';
import type { ServerResponse } from '@polyanthus/ground-http/message';
import { openApiSchemas } from '@polyanthus/kube-kinds/builtin';
import { jsonAnswer, rawJson } from '../answers.ts';
import type { Cluster } from '../cluster.ts';
import type { DocumentRequest } from '../document-request.ts';
import { negotiate } from '../negotiation.ts';
import type { ResourceDefinition } from '../registry/definition.ts';
import { sharedCache } from '../registry/shared-cache.ts';
import { noSuchPath } from '../router.ts';
import { customSchemas } from './custom.ts';
import { pathsOf } from './paths.ts';
import { kubernetesVersion } from '../version-info.ts';

interface Document {
  readonly bytes: Uint8Array;
  readonly hash: string;
}

/** Documents of built-in group versions, shared by all clusters. */
const builtinDocuments = new Map<string, Promise<Document>>();
/** Of custom ones. */
const customDocuments = sharedCache(() => new Map<string, Promise<Document>>());

export async function openApiV3(asked: DocumentRequest, path: string): Promise<ServerResponse> {
  negotiate(asked.request, false);
  const groups = groupVersions(asked.cluster);
  if (path === '/openapi/v3') {
    const entries = await Promise.all(
      groups.map(
        async (one) =>
          [
            one,
            { serverRelativeURL: `/openapi/v3/${one}?hash=${(await documentOf(asked.cluster, one)).hash}` },
          ] as const,
      ),
    );
    return jsonAnswer(200, { paths: Object.fromEntries(entries) });
  }
  const one = path.slice('/openapi/v3/'.length);
  if (!groups.includes(one)) throw noSuchPath();
  const { bytes, hash } = await documentOf(asked.cluster, one);
  const etag = `"${hash}"`;
  const headers = {
    etag,
    vary: 'Accept',
    'cache-control': asked.query.get('hash') === hash ? 'public, immutable' : 'no-cache, private',
  };
  if (asked.request.headers['if-none-match'] === etag) return { status: 304, headers, body: null };
  return rawJson(200, bytes, headers);
}

const pathOf = ({ type }: ResourceDefinition): string =>
  type.group === '' ? `api/${type.version}` : `apis/${type.group}/${type.version}`;

function groupVersions(cluster: Cluster): string[] {
  return [...new Set(cluster.registry.all().map(pathOf))].toSorted();
}

function documentOf(cluster: Cluster, one: string): Promise<Document> {
  const definitions = cluster.registry.all().filter((definition) => pathOf(definition) === one);
  const custom = definitions.some((definition) => definition.custom);
  const cache = custom ? customDocuments(cluster.registry) : builtinDocuments;
  let document = cache.get(one);
  if (document === undefined) {
    document = makeDocument(definitions);
    cache.set(one, document);
  }
  return document;
}

async function makeDocument(definitions: readonly ResourceDefinition[]): Promise<Document> {
  const names = definitions.filter(({ custom }) => !custom).map(({ openApiName }) => openApiName);
  const schemas: Record<string, unknown> = { ...(await openApiSchemas([...names, objectMeta, deleteOptions])) };
  for (const definition of definitions)
    Object.assign(schemas, definition.custom ? customSchemas(definition) : markKind(schemas, definition));
  const text = JSON.stringify({
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: `v${kubernetesVersion}` },
    paths: Object.assign({}, ...definitions.map(pathsOf)) as object,
    components: { schemas },
  });
  return { bytes: Buffer.from(text), hash: createHash('sha512').update(text).digest('hex').toUpperCase() };
}

const objectMeta = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';
const deleteOptions = 'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions';

/** kubectl finds a kind's schema by this extension. */
function markKind(
  schemas: Readonly<Record<string, unknown>>,
  { type, openApiName }: ResourceDefinition,
): Record<string, unknown> {
  const schema = schemas[openApiName];
  if (typeof schema !== 'object' || schema === null) return {};
  return {
    [openApiName]: {
      ...schema,
      'x-kubernetes-group-version-kind': [{ group: type.group, kind: type.kind, version: type.version }],
    },
  };
}
