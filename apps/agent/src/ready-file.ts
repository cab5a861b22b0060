/**
 * Says to a kubelet whether the agent does its work, without a port: a file that is there while it does. The probe of the
 * agent's Deployments looks for it (domains/fleet agent-manifest).
 */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '@polyanthus/ground-base/context';
import { readyFileName } from '@polyanthus/domains-fleet/agent-manifest';

/** Sets and clears the file in `folder`, one change after another; trouble is logged. */
export function readyFile(ctx: Context, folder: string): (ready: boolean) => void {
  const path = join(folder, readyFileName);
  let last = Promise.resolve();
  return (ready) => {
    last = last
      .then(() => (ready ? writeFile(path, '') : rm(path, { force: true })))
      .catch((error: unknown) => ctx.log.warn('whether the agent is ready could not be noted', { path, error }));
  };
}
