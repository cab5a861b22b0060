/** Calls that change a node, its pods or its host, held against the intents that are stored at that moment. */
import { testNamespace, type World } from '@polyanthus/engine-runbook/testing';
import type { HttpRequest } from '@polyanthus/ground-http/message';
import { unlessGone } from '@polyanthus/kube-client/gone';
import { pods, type Node } from '@polyanthus/kube-kinds/core';
import { claimAnnotation, runSteps, type RunStep } from '@polyanthus/kube-kinds/own/runbook';
import type { ExecutorMore } from '../src/testing.ts';

/** Notes every change that no stored intent covers; claims of nodes and hosts, taken and given back, are the run's own. */
export function watchIntents(world: World, violations: string[]): Required<Pick<ExecutorMore, 'tap' | 'onHostCall'>> {
  const isIntended = storedIntents(world);
  const judge = async (what: string, covered: boolean | Promise<boolean>): Promise<void> => {
    if (!(await covered)) violations.push(`no intent covers ${what}`);
  };
  return {
    tap: async (request) => {
      const what = `${request.method} ${request.url}`;
      const [, node] = /\/api\/v1\/nodes\/([^/?]+)/.exec(request.url) ?? [];
      const [, namespace, pod] = /\/namespaces\/([^/]+)\/pods\/([^/?]+)/.exec(request.url) ?? [];
      if (request.method === 'GET' || isOfTheRun(request)) return undefined;
      if (node !== undefined && request.method === 'PATCH')
        await judge(what, coversNode(isIntended, node, bodyOf(request)));
      else if (pod === undefined) await judge(what, false);
      else {
        const found = await unlessGone(world.client.get(world.ctx, pods, { namespace, name: pod }));
        const on = found?.spec?.nodeName;
        if (on !== undefined) await judge(`${what} on ${on}`, isIntended('drain', on));
      }
      return undefined;
    },
    onHostCall: async (node, verb) => {
      if (verb === 'start') await judge(`the command on the host of ${node}`, isIntended('command', node));
      else if (!['look', 'claim', 'release', 'journal'].includes(verb))
        await judge(`${verb} on the host of ${node}`, false);
    },
  };
}

type IsIntended = (step: string, node: string) => Promise<boolean>;

/** Reads the RunStep itself: what an executor remembers is no proof. */
function storedIntents({ client, ctx }: World): IsIntended {
  const names = new Map<string, string>();
  const keyOf = ({ spec }: RunStep): string => `${spec.step}/${spec.target?.name ?? ''}`;
  return async (step, node) => {
    const key = `${step}/${node}`;
    if (!names.has(key))
      for (const one of (await client.listAll(ctx, runSteps, { namespace: testNamespace })).items)
        names.set(keyOf(one), one.metadata.name ?? '');
    const name = names.get(key);
    if (name === undefined) return false;
    return (await client.get(ctx, runSteps, { namespace: testNamespace, name })).status?.state === 'Intended';
  };
}

async function coversNode(isIntended: IsIntended, node: string, { metadata, spec }: Partial<Node>): Promise<boolean> {
  const annotations = Object.keys(metadata?.annotations ?? {});
  if (spec === undefined) return annotations.length === 1 && annotations[0] === claimAnnotation;
  return annotations.length === 0 && isIntended(spec.unschedulable === true ? 'cordon' : 'uncordon', node);
}

const bodyOf = ({ body }: HttpRequest): Partial<Node> =>
  body instanceof Uint8Array ? (JSON.parse(Buffer.from(body).toString()) as Partial<Node>) : {};

/** Its lease, its Run and RunSteps. */
const isOfTheRun = ({ url }: HttpRequest): boolean =>
  url.includes(`/namespaces/${testNamespace}/leases`) || url.includes('/runbook.polyanthus.dev/');
