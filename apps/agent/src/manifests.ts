/** The agent's objects as files to read before one lets an agent in: what all roles share, then one file a role. */
import { dumpYamlDocuments } from '@polyanthus/ground-yaml/dump';
import type { YamlValue } from '@polyanthus/ground-yaml/value';
import { agentManifest } from '@polyanthus/domains-fleet/agent-manifest';

/** Stand for what `polyanthus fleet register --agent=manifest` puts in. */
const placeholders = {
  fleet: 'FLEET',
  membership: 'MEMBERSHIP',
  membershipUid: 'MEMBERSHIP-UID',
  version: 'v1.37.2',
  ceiling: 'full',
  hubUrl: 'https://HUB',
  hubCaPem: 'PEM',
  image: 'IMAGE',
} as const;

const shared = 'configuration';

/** Text of each file, by name: `configuration` and the names of the roles. */
export function agentManifestFiles(): ReadonlyMap<string, string> {
  const objects = agentManifest(placeholders);
  const fileOf = (name: string): string => /^polyanthus-agent-(.+)$/.exec(name)?.[1] ?? shared;
  const files = Map.groupBy(objects, (object) => fileOf(object.metadata.name ?? ''));
  const comment =
    "# Generated from the rights of the agent's roles by `npm run generate`; do not edit.\n# Words in capitals stand for what `polyanthus fleet register --agent=manifest` puts in; rights are those of Kubernetes 1.36 and newer.\n";
  return new Map(
    [...files].map(([name, found]) => [
      name,
      `${comment}${dumpYamlDocuments(found as unknown as readonly YamlValue[])}`,
    ]),
  );
}
