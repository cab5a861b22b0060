/** How an object in any cluster shows that it is ours. A CRD without this label is never touched (DESIGN section 1). */

/** On everything that the product makes. */
export const ownedLabel = 'polyanthus.dev/owned';

/** On objects that the fleet role keeps in a member; the value is the fleet's name. */
export const fleetLabel = 'fleet.polyanthus.dev/fleet';

/** On namespaces and bindings of a scope. */
export const scopeLabel = 'fleet.polyanthus.dev/scope';

/** The namespace label that the field's tools look for to find an agent. */
export const projectLabel = 'hub.gke.io/project';

/** Where the agent lives in a member. */
export const agentNamespace = 'polyanthus-agent';

/** Field manager of everything that the product applies; it never changes. */
export const fieldManager = 'polyanthus';

/** Whether an object carries our ownership label. */
export function isOwned(object: {
  readonly metadata: { readonly labels?: Readonly<Record<string, string>> };
}): boolean {
  return object.metadata.labels?.[ownedLabel] === 'true';
}
