/** Where a hub keeps what is its own: identity, Leases, and on a real cluster its pods. */
export const hubNamespace = 'polyanthus-system';
