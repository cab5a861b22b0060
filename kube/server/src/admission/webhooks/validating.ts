/** Validating webhooks: all that want to know are asked at the same time (apiserver webhook/validating). */
import { statusError, type StatusError } from '@polyanthus/kube-objects/status';
import { toStatusError } from '../../answers.ts';
import type { WebhookAttributes } from './attributes.ts';
import { CallFailure } from './call-errors.ts';
import { callWebhook } from './call.ts';
import type { Hook } from './hooks.ts';
import type { Invocation } from './invocation.ts';
import { invocationOf } from './match.ts';
import { rejection } from './rejection.ts';

const failedOpen = 'failed-open.validating.webhook.admission.k8s.io/round_0_index_';

/** Throws the refusal of the first webhook, in their order, that refuses. */
export async function askValidating(hooks: readonly Hook[], attributes: WebhookAttributes): Promise<void> {
  const invocations = hooks.flatMap((hook) => invocationOf(hook, attributes) ?? []);
  if (invocations.length === 0) return;
  if (attributes.scope.ctx.signal.aborted)
    throw statusError('Timeout', 'request did not complete within requested timeout');
  const refusals = await Promise.all(invocations.map((one, index) => refusalOf(attributes, one, index)));
  const first = refusals.find((one) => one !== undefined);
  if (first !== undefined) throw first;
}

async function refusalOf(
  attributes: WebhookAttributes,
  invocation: Invocation,
  index: number,
): Promise<StatusError | undefined> {
  const { hook } = invocation;
  const { ctx, annotate } = attributes.scope;
  try {
    const verdict = await callWebhook(ctx, attributes, invocation, false);
    return verdict.allowed ? undefined : rejection(hook.name, verdict.status);
  } catch (error) {
    if (!(error instanceof CallFailure)) return toStatusError(error);
    ctx.log.warn('a webhook could not be asked', { webhook: hook.name, failOpen: hook.failOpen, error });
    if (!hook.failOpen) return toStatusError(error);
    annotate?.(`${failedOpen}${index}`, hook.name);
    return undefined;
  }
}
