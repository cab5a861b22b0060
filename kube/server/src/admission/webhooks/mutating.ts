/** Mutating webhooks: one after another, each sees what those before it made (apiserver webhook/mutating). */
import { equalJson, isList, isObject } from '@polyanthus/kube-objects/json-value';
import { applyJsonPatch } from '@polyanthus/kube-objects/json-patch';
import type { JsonObject, JsonValue } from '@polyanthus/kube-objects/meta';
import { StatusError, statusError } from '@polyanthus/kube-objects/status';
import { toStatusError } from '../../answers.ts';
import type { ApiObject } from '../../api-object.ts';
import { checkKind, fit } from '../../codec.ts';
import { applyKindDefaults } from '../../kinds/defaults.ts';
import type { WebhookAttributes } from './attributes.ts';
import { CallFailure } from './call-errors.ts';
import { callWebhook } from './call.ts';
import type { Hook } from './hooks.ts';
import type { Invocation } from './invocation.ts';
import { converted, invocationOf, versioned } from './match.ts';
import { rejection } from './rejection.ts';
import type { Verdict } from './review.ts';

const prefix = 'mutation.webhook.admission.k8s.io/';

/** The mutating webhooks of one write, over its first round and the one more that changes may need. */
export class MutatingRounds {
  readonly #hooks: readonly Hook[];
  #round = 0;
  #previous = new Set<string>();
  readonly #again = new Set<string>();
  #last: JsonObject | undefined;
  /** Whether one of them changed the object: then everything that changes objects is to run once more. */
  changed = false;

  constructor(hooks: readonly Hook[]) {
    this.#hooks = hooks;
  }

  /** Asks those that want to know; answers the object as they left it. Throws StatusError. */
  async run(attributes: WebhookAttributes): Promise<JsonObject | undefined> {
    let current = attributes;
    const again = this.#round > 0;
    if (again && !equalJson(this.#last, current.object)) this.#demandAgain();
    for (const [index, hook] of this.#hooks.entries()) {
      const invocation = invocationOf(hook, current);
      if (invocation === undefined || (again && !this.#again.has(hook.uid))) continue;
      const after = await this.#ask(current, invocation, index);
      if (after !== undefined) {
        this.changed = true;
        this.#demandAgain();
        current = { ...current, object: after };
      }
      if (hook.reinvoked) this.#previous.add(hook.uid);
    }
    this.#round++;
    this.#last = current.object;
    return current.object;
  }

  #demandAgain(): void {
    for (const uid of this.#previous) this.#again.add(uid);
    this.#previous = new Set();
  }

  /** The object as the webhook changed it; undefined when it did not. */
  async #ask(attributes: WebhookAttributes, invocation: Invocation, index: number): Promise<JsonObject | undefined> {
    const { hook } = invocation;
    const { scope } = attributes;
    const key = `${prefix}round_${this.#round}_index_${index}`;
    const annotate = (mutated: boolean): void =>
      scope.annotate?.(key, JSON.stringify({ configuration: hook.configuration, webhook: hook.name, mutated }));
    try {
      const verdict = await callWebhook(scope.ctx, attributes, invocation, true);
      if (!verdict.allowed) throw rejection(hook.name, verdict.status);
      const after = patched(attributes, invocation, verdict);
      annotate(after !== undefined);
      return after;
    } catch (error) {
      annotate(false);
      if (!(error instanceof CallFailure)) throw error;
      scope.ctx.log.warn('a webhook could not be asked', { webhook: hook.name, failOpen: hook.failOpen, error });
      if (!hook.failOpen) throw internal(error.message);
      scope.annotate?.(`failed-open.${key}`, hook.name);
      if (error.cancelled) throw statusError('Timeout', 'request did not complete within requested timeout');
      return undefined;
    }
  }
}

const internal = (text: string): StatusError => toStatusError(new Error(text));

function patched(attributes: WebhookAttributes, invocation: Invocation, verdict: Verdict): JsonObject | undefined {
  const { hook, definition } = invocation;
  if (verdict.patch === '') return undefined;
  const operations = decodePatch(hook.name, verdict.patch);
  if (operations.length === 0) return undefined;
  const { object } = versioned(attributes, invocation);
  if (object === undefined)
    throw internal(
      `admission webhook ${JSON.stringify(hook.name)} attempted to modify the object, which is not supported for this operation`,
    );
  if (verdict.patchType !== 'JSONPatch')
    throw new CallFailure(hook.name, `unsupported patch type ${JSON.stringify(verdict.patchType)}`);
  const after = read(attributes, invocation, applied(object, operations));
  if (equalJson(after, object)) return undefined;
  return attributes.whole ? converted(after, definition, attributes.scope.definition) : after;
}

function decodePatch(webhook: string, base64: string): readonly JsonValue[] {
  const refuse = (why: string): CallFailure =>
    new CallFailure(webhook, `received undecodable patch in webhook response: ${why}`);
  let value: JsonValue;
  try {
    value = JSON.parse(Buffer.from(base64, 'base64').toString()) as JsonValue;
  } catch (error) {
    throw refuse((error as Error).message);
  }
  if (value === null) return [];
  if (!isList(value)) throw refuse('json: cannot unmarshal the patch into Go value of type jsonpatch.Patch');
  return value;
}

function applied(object: JsonObject, operations: readonly JsonValue[]): JsonValue {
  try {
    return applyJsonPatch(object, operations);
  } catch (error) {
    throw internal(causeOf(error));
  }
}

/** What went wrong with a patch stands in the cause; a Status of it would look like the client's fault. */
function causeOf(error: unknown): string {
  const told = error instanceof StatusError ? error.status.details?.causes?.[0]?.message : undefined;
  return told ?? (error instanceof Error ? error.message : String(error));
}

/** A changed object, read as one that a client sends: what the schema does not know goes, defaults come, types must fit. */
function read({ whole }: WebhookAttributes, { definition }: Invocation, value: JsonValue): JsonObject {
  if (!isObject(value)) throw internal('the patched value is not an object');
  if (!whole) return value;
  try {
    return applyKindDefaults(definition, fit(definition, checkKind(value, definition)).value) as ApiObject;
  } catch (error) {
    throw internal(error instanceof Error ? error.message : String(error));
  }
}
