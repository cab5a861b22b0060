/** What a rehearsal was planned on, as a hash: whether two rehearsals saw the same cluster. */
import { createHash } from 'node:crypto';
import type { Snapshot } from '@polyanthus/engine-sandbox/snapshot';

/** SHA-256 (hex) of all objects of a snapshot, in its order. */
export function snapshotHash({ resources }: Snapshot): string {
  const hash = createHash('sha256');
  for (const { group, version, plural, objects } of resources) {
    hash.update(`${group}/${version}/${plural}\n`);
    for (const object of objects) hash.update(`${JSON.stringify(object)}\n`);
  }
  return hash.digest('hex');
}
