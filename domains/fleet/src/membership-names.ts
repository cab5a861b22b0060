/** Names, URLs and contexts of the gateway, in the form that the field uses (facts/fleet.md 2.1). */

/** `/v1/projects/F/locations/global/memberships/M` on the hub. */
export function gatewayPath(fleet: string, membership: string): string {
  return `/v1/projects/${encodeURIComponent(fleet)}/locations/global/memberships/${encodeURIComponent(membership)}`;
}

/** The address of the hub, from that of a member behind its gateway or from its own. */
export function withoutGatewayPath(server: string): string {
  return server.replace(/\/v1\/projects\/[^/]+\/locations\/[^/]+\/memberships\/[^/]+\/*$/, '');
}

/** `connectgateway_F_global_M`, with `_ns-N` for a namespace of its own. */
export function contextName(fleet: string, membership: string, namespace?: string): string {
  return `connectgateway_${fleet}_global_${membership}${namespace === undefined ? '' : `_ns-${namespace}`}`;
}

/** What the lock object of a member names as its owner. */
export function fleetOwnerId(fleet: string): string {
  return `projects/${fleet}`;
}
