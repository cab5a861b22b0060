/** Rights by the API's own SubjectAccessReview, believed for at most 10 s (DESIGN section 4 "Who may"). */
import { background, withTimeout, type Context } from '@polyanthus/ground-base/context';
import type { Attributes, Decision } from '@polyanthus/kube-access/user';
import type { KubeClient } from '@polyanthus/kube-client/client';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import { resourceType } from '@polyanthus/kube-objects/resource';
import type { Authorize } from './hub-api.ts';

interface SubjectAccessReview extends KubeObject {
  readonly spec: object;
  readonly status?: { readonly allowed?: boolean; readonly denied?: boolean; readonly reason?: string };
}
const subjectAccessReviews = resourceType<SubjectAccessReview>(
  'authorization.k8s.io',
  'v1',
  'subjectaccessreviews',
  'SubjectAccessReview',
  false,
);

/** A yes is believed for this long. */
export const reviewTtlMs = 10_000;
/** A no for less, so that a new right works soon (within 5 s, with the time until it is one). */
const refusalTtlMs = 2_000;
const questionTimeoutMs = 10_000;
const reviewsMax = 10_000;

interface Review {
  readonly decision: Promise<Decision>;
  untilMs: number;
}

/** Asks; the same question at the same time is asked once. A failure is thrown and not kept. */
export function subjectAccessAuthorizer(client: KubeClient): Authorize {
  const known = new Map<string, Review>();
  return async (ctx, attributes) => {
    const key = JSON.stringify(attributes);
    const nowMs = ctx.clock.monotonic();
    const cached = known.get(key);
    if (cached !== undefined && cached.untilMs > nowMs) return cached.decision;
    if (known.size >= reviewsMax) known.clear();
    // Not the caller's context: others wait for the same answer.
    const lasting = background({ log: ctx.log, clock: ctx.clock });
    const decision = withTimeout(lasting, questionTimeoutMs, 'asking the API who may', (inner) =>
      ask(inner, client, attributes),
    );
    const review: Review = { decision, untilMs: nowMs + refusalTtlMs };
    known.set(key, review);
    try {
      const decision = await review.decision;
      if (decision.allowed) review.untilMs = nowMs + reviewTtlMs;
      return decision;
    } catch (error) {
      if (known.get(key) === review) known.delete(key);
      throw error;
    }
  };
}

async function ask(ctx: Context, client: KubeClient, attributes: Attributes): Promise<Decision> {
  const { username, groups, uid, extra } = attributes.user;
  const spec = {
    user: username,
    groups,
    ...(uid === undefined ? {} : { uid }),
    ...(extra === undefined ? {} : { extra }),
    ...what(attributes),
  };
  const { status } = await client.create(ctx, subjectAccessReviews, {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    metadata: {},
    spec,
  });
  return { allowed: status?.allowed === true && status.denied !== true, reason: status?.reason ?? '' };
}

function what(attributes: Attributes): object {
  if (attributes.kind === 'nonResource')
    return { nonResourceAttributes: { verb: attributes.verb, path: attributes.path } };
  const { verb, group, version, resource, subresource, namespace, name } = attributes;
  return { resourceAttributes: { verb, group, version, resource, subresource, namespace, name } };
}
