/** A webhook server for tests: HTTPS on loopback, answers by path, remembers what it was asked. */
import { background } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import { readBody } from '@polyanthus/ground-http/body';
import { serve } from '@polyanthus/ground-http/node-server';
import type { ServerResponse } from '@polyanthus/ground-http/message';
import type { JsonObject, JsonValue } from '@polyanthus/kube-objects/meta';
import { createAuthority } from '@polyanthus/ground-pki/authority';
import { generateKey } from '@polyanthus/ground-pki/keys';

/** What was asked where. */
export interface Asked {
  readonly path: string;
  readonly review: JsonObject;
}

/** Answers a review with `response` members beside uid; or with a whole HTTP answer. `gone` aborts with the connection. */
export type Script = (
  request: JsonObject,
  path: string,
  gone: AbortSignal,
) => JsonObject | ServerResponse | Promise<ServerResponse>;

/** A running webhook server. */
export interface WebhookServer {
  readonly port: number;
  /** Base64, as caBundle wants it. */
  readonly caBundle: string;
  readonly asked: Asked[];
  /** Scripts by the last part of the path. */
  readonly scripts: Map<string, Script>;
  close(): Promise<void>;
}

/** Starts one at an address of loopback, verified as that and as the Service `hooks` of namespace `system`. */
export async function startWebhookServer(host = '127.0.0.1'): Promise<WebhookServer> {
  const ctx = background();
  const nowMs = ctx.clock.now();
  const authority = await createAuthority({ commonName: 'webhooks', nowMs, random: systemRandom });
  const { privateKeyPem, publicKeyPem } = await generateKey();
  const cert = await authority.issueServer(nowMs, {
    names: ['hooks.system.svc'],
    ips: [host],
    publicKeyPem,
    ttlMs: 3_600_000,
  });
  const asked: Asked[] = [];
  const scripts = new Map<string, Script>();
  const server = await serve(ctx, {
    listen: { host, port: 0 },
    tls: { cert, key: privateKeyPem },
    handler: async ({ signal }, request) => {
      const path = request.url.split('?')[0] ?? '';
      const bytes = await readBody(request.body, 16 * 1024 * 1024);
      const review = JSON.parse(Buffer.from(bytes).toString()) as JsonObject;
      asked.push({ path, review });
      const about = review['request'] as JsonObject;
      const script = scripts.get(path.split('/').at(-1) ?? '') ?? (() => ({ allowed: true }));
      const answer = await script(about, path, signal);
      return isHttp(answer) ? answer : jsonAnswer({ ...envelope, response: { uid: about['uid'], ...answer } });
    },
  });
  return {
    port: server.port,
    caBundle: Buffer.from(authority.certificatePem).toString('base64'),
    asked,
    scripts,
    close: () => server.close(0),
  };
}

const envelope = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' };

function isHttp(answer: JsonObject | ServerResponse): answer is ServerResponse {
  return 'body' in answer;
}

/** Any JSON with status 200. */
export function jsonAnswer(value: JsonValue | object): ServerResponse {
  return { status: 200, headers: { 'content-type': 'application/json' }, body: Buffer.from(JSON.stringify(value)) };
}

/** A text with a status. */
export function textAnswer(status: number, text: string): ServerResponse {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: Buffer.from(text) };
}

/** The members of a response that changes the object. */
export function patchResponse(operations: JsonValue): JsonObject {
  return { allowed: true, patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(operations)).toString('base64') };
}
