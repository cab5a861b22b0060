/** One call of one webhook: bounded in time and bytes, ended when the caller of the write goes away. */
import { withTimeout, type Context } from '@polyanthus/ground-base/context';
import { readBody } from '@polyanthus/ground-http/body';
import { header } from '@polyanthus/ground-http/headers';
import type { HttpResponse } from '@polyanthus/ground-http/message';
import { scanJson } from '@polyanthus/kube-objects/byte-scan';
import { encodeJson, parseJson } from '@polyanthus/kube-objects/exact-json';
import { isObject } from '@polyanthus/kube-objects/json-value';
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import { statusError } from '@polyanthus/kube-objects/status';
import type { WebhookAttributes } from './attributes.ts';
import { CallFailure, connectionWords, statusWords } from './call-errors.ts';
import { clientsOf, type WebhookClient } from './clients.ts';
import type { Invocation } from './invocation.ts';
import { versioned } from './match.ts';
import { misshapen, readVerdict, reviewOf, reviewVersion, type Verdict } from './review.ts';

/** More than these bytes, or deeper than these levels, is no answer. */
const answerBytesMax = 3 * 1024 * 1024;
const depthMax = 1000;

/**
 * Asks a webhook and takes over its warnings and audit annotations. Throws CallFailure, and BadRequest for a rehearsal that
 * the webhook does not support.
 */
export async function callWebhook(
  ctx: Context,
  attributes: WebhookAttributes,
  invocation: Invocation,
  mutating: boolean,
): Promise<Verdict> {
  const { hook } = invocation;
  if (attributes.dryRun && !['None', 'NoneOnDryRun'].includes(hook.sideEffects))
    throw statusError('BadRequest', `admission webhook ${JSON.stringify(hook.name)} does not support dry run`);
  const version = reviewVersion(invocation);
  const fail = (why: string): CallFailure => new CallFailure(hook.name, why, ctx.signal.aborted);
  if (version === undefined)
    throw fail(
      'could not create admission objects: webhook does not accept known AdmissionReview versions (v1, v1beta1)',
    );
  const { cluster } = attributes.scope;
  const uid = cluster.random.uuid();
  const body = encodeJson(reviewOf(versioned(attributes, invocation), invocation, uid));
  const answer = await post(ctx, attributes, invocation, body);
  let verdict: Verdict;
  try {
    verdict = readVerdict(answer, version, uid, mutating);
  } catch (error) {
    throw fail(`received invalid webhook response: ${(error as Error).message}`);
  }
  for (const [key, value] of Object.entries(verdict.annotations))
    attributes.scope.annotate?.(`${hook.name}/${key}`, value);
  for (const warning of verdict.warnings) attributes.scope.warnings.add(warning);
  return verdict;
}

async function post(
  ctx: Context,
  { scope }: WebhookAttributes,
  { hook }: Invocation,
  body: Uint8Array,
): Promise<JsonObject> {
  const seconds = Math.ceil(hook.timeoutMs / 1000);
  let client: WebhookClient | undefined;
  let dialled = '';
  const fail = (why: string): CallFailure => {
    const at = client === undefined ? '' : `Post "${client.url}?timeout=${seconds}s": `;
    return new CallFailure(hook.name, `failed to call webhook: ${at}${why}`, ctx.signal.aborted);
  };
  let received: { readonly response: HttpResponse; readonly bytes: Uint8Array };
  try {
    received = await withTimeout(ctx, hook.timeoutMs, 'the webhook', async (inner) => {
      client = clientsOf(scope.cluster).clientOf(hook.clientConfig);
      const { path } = client;
      const { transport, host, place } = await client.reach(inner);
      dialled = place;
      const response = await transport.request(inner, {
        method: 'POST',
        url: `${path}?timeout=${seconds}s`,
        headers: {
          'content-type': 'application/json',
          'content-length': String(body.length),
          accept: 'application/json, */*',
          'user-agent': 'kube-apiserver-admission',
          ...(host === undefined ? {} : { host }),
        },
        body,
      });
      return { response, bytes: await readBody(response.body, answerBytesMax) };
    });
  } catch (error) {
    throw fail(connectionWords(error, dialled));
  }
  return answerOf(hook.name, received.response, received.bytes);
}

/** The answer as an object. Throws CallFailure. */
function answerOf(webhook: string, response: HttpResponse, bytes: Uint8Array): JsonObject {
  const fail = (why: string): CallFailure => new CallFailure(webhook, `failed to call webhook: ${why}`);
  const object = parsed(bytes);
  const { status } = response;
  if (status < 200 || status > 206) {
    const type = header(response.headers, 'content-type') ?? '';
    const text = type.startsWith('text/') ? Buffer.from(bytes).toString().trim() : '';
    throw fail(statusWords(status, text, object));
  }
  if (object === undefined) throw fail(`couldn't get version/kind; json parse error: the answer is no JSON object`);
  const wrong = misshapen(object);
  if (wrong !== undefined) throw fail(`json: cannot unmarshal the field response.${wrong}`);
  return object;
}

function parsed(bytes: Uint8Array): JsonObject | undefined {
  try {
    scanJson(bytes, { maxDepth: depthMax });
    const value = parseJson(bytes, { maxDepth: depthMax });
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
