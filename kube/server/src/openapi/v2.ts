/** /openapi/v2: a minimal document. kubectl from 1.24 on prefers v3; protobuf is refused, which makes older ones say so. */
import type { ServerResponse } from '@polyanthus/ground-http/message';
import { jsonAnswer } from '../answers.ts';
import type { DocumentRequest } from '../document-request.ts';
import { negotiate } from '../negotiation.ts';
import { kubernetesVersion } from '../version-info.ts';

export function openApiV2({ request }: DocumentRequest): ServerResponse {
  negotiate(request, false);
  return jsonAnswer(200, {
    swagger: '2.0',
    info: { title: 'Kubernetes', version: `v${kubernetesVersion}` },
    paths: {},
    definitions: {},
  });
}
