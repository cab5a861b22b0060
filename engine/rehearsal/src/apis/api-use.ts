/** Who still writes with API versions that a target version no longer serves, by what objects say of their writers. */
import type { Snapshot } from '@polyanthus/engine-sandbox/snapshot';
import type { CustomResourceDefinition } from '@polyanthus/kube-kinds/core';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import { finding, type Finding } from '../finding.ts';
import { objectsOf } from '../model/objects.ts';
import { removedApis } from './removed.ts';

const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration';

/** Minor version of `v1.37.2`, `1.37`; undefined of another text. */
export function minorOf(version: string): number | undefined {
  const minor = /^v?1\.(\d{1,3})(?:\D|$)/.exec(version)?.[1];
  return minor === undefined ? undefined : Number(minor);
}

/** What the target (a minor version of Kubernetes 1) no longer serves and somebody writes with; one finding an object. */
export function removedApiFindings(snapshot: Snapshot, targetMinor: number): readonly Finding[] {
  const removed = new Map(
    removedApis
      .filter(([minor]) => minor <= targetMinor)
      .flatMap(([minor, apiVersion, kinds]) =>
        kinds.split(' ').map((kind) => [`${apiVersion} ${kind}`, minor] as const),
      ),
  );
  return snapshot.resources.flatMap(({ kind, objects }) =>
    objects.flatMap((object) => {
      const uses = usesOf(object).filter(({ apiVersion }) => removed.has(`${apiVersion} ${kind}`));
      return uses.length === 0 ? [] : [removedFinding(object, kind, uses, removed)];
    }),
  );
}

interface Use {
  readonly apiVersion: string;
  readonly field: string;
  readonly who: string;
}

function usesOf(object: KubeObject): readonly Use[] {
  const { managedFields = [], annotations = {} } = object.metadata;
  const uses = managedFields.flatMap((entry, index) => {
    const { apiVersion, manager = 'somebody', time } = entry;
    if (apiVersion === undefined) return [];
    return [
      {
        apiVersion,
        field: `metadata.managedFields[${index}]`,
        who: `${manager}${time === undefined ? '' : ` (last ${time})`}`,
      },
    ];
  });
  const applied = appliedVersion(annotations[lastApplied]);
  if (applied === undefined) return uses;
  return [...uses, { apiVersion: applied, field: `metadata.annotations[${lastApplied}]`, who: 'kubectl apply' }];
}

function appliedVersion(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  try {
    const { apiVersion } = JSON.parse(text) as { readonly apiVersion?: unknown };
    return typeof apiVersion === 'string' ? apiVersion : undefined;
  } catch {
    return undefined;
  }
}

function removedFinding(
  object: KubeObject,
  kind: string,
  uses: readonly Use[],
  removed: ReadonlyMap<string, number>,
): Finding {
  const [first] = uses;
  const { namespace, name = '' } = object.metadata;
  const apiVersion = first?.apiVersion ?? '';
  const minor = removed.get(`${apiVersion} ${kind}`) ?? 0;
  const who = [...new Set(uses.map((use) => use.who))].join(', ');
  return finding(
    'ApiRemoved',
    { kind, ...(namespace === undefined ? {} : { namespace }), name },
    {
      field: first?.field ?? '',
      reason: `${apiVersion} is no longer served from 1.${minor} on; written with it by ${who}`,
    },
  );
}

/** Versions of custom kinds that are stored or written, and that their definition does not serve. */
export function crdFindings(snapshot: Snapshot): readonly Finding[] {
  return objectsOf<CustomResourceDefinition>(snapshot, 'apiextensions.k8s.io', 'CustomResourceDefinition').flatMap(
    (crd) => {
      const { group, names, versions } = crd.spec;
      const served = new Set(versions.filter((version) => version.served).map((version) => version.name));
      const stored = (crd.status?.storedVersions ?? []).filter((version) => !served.has(version));
      const writers = new Map<string, string>();
      for (const object of objectsOf(snapshot, group, names.kind))
        for (const { apiVersion = '', manager = 'somebody' } of object.metadata.managedFields ?? [])
          if (apiVersion.startsWith(`${group}/`) && !served.has(apiVersion.slice(group.length + 1)))
            writers.set(`${apiVersion} by ${manager}`, object.metadata.name ?? '');
      if (stored.length === 0 && writers.size === 0) return [];
      const parts = [
        ...(stored.length === 0 ? [] : [`stored objects may be in ${stored.join(', ')}`]),
        ...(writers.size === 0
          ? []
          : [
              `written with ${[...writers]
                .map(([who, object]) => `${who} (${object})`)
                .slice(0, 5)
                .join(', ')}`,
            ]),
      ];
      const object = { kind: 'CustomResourceDefinition', name: crd.metadata.name ?? '' };
      const reason = `it serves ${[...served].join(', ')} only; ${parts.join('; ')}`;
      return [
        finding('CrdVersionUnserved', object, {
          field: stored.length > 0 ? 'status.storedVersions' : 'spec.versions',
          reason,
        }),
      ];
    },
  );
}
