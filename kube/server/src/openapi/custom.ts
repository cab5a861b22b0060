/** OpenAPI schemas of custom kinds, from the CRD. */
import type { ResourceDefinition } from '../registry/definition.ts';

const text = {
  apiVersion:
    'APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values.',
  kind: 'Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase.',
  metadata: "Standard object's metadata.",
};

/** `components.schemas` of one version of a custom kind. */
export function customSchemas({ type, openApiName, openApiSchema }: ResourceDefinition): Record<string, unknown> {
  const own =
    typeof openApiSchema === 'object' && openApiSchema !== null
      ? (openApiSchema as Record<string, unknown>)
      : { type: 'object' };
  const properties = {
    ...(own['properties'] as object | undefined),
    apiVersion: { description: text.apiVersion, type: 'string' },
    kind: { description: text.kind, type: 'string' },
    metadata: {
      description: text.metadata,
      allOf: [{ $ref: '#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta' }],
    },
  };
  return {
    [openApiName]: {
      ...own,
      properties,
      'x-kubernetes-group-version-kind': [{ group: type.group, kind: type.kind, version: type.version }],
    },
  };
}

/** Go-style name of a custom type: the group's labels in reverse. */
export function customTypeName(group: string, version: string, kind: string): string {
  return `${group.split('.').toReversed().join('.')}.${version}.${kind}`;
}
