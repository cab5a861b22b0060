import { defineErrors } from '@polyanthus/ground-base/errors';

export const fleetErrors = defineErrors({
  CredentialsRefused: {
    meaning:
      "An API server does not accept the credentials of a kubeconfig: they are wrong, expired, or another one's.",
    next: 'Sign in again, or name another context; compare the clocks when a certificate or a token was just made.',
  },
  NotClusterAdmin: {
    meaning:
      'Registering needs every right in the cluster, because the agent is given the right to act as others there.',
    next: 'Run it as a cluster administrator: kubectl create clusterrolebinding NAME --clusterrole=cluster-admin --user=YOU',
  },
  NameTaken: {
    meaning: 'A membership of this name belongs to another cluster.',
    next: 'Choose another name, or delete the old membership with polyanthus fleet unregister.',
  },
  OtherFleet: {
    meaning: 'The cluster carries the lock object of another fleet: a cluster belongs to one fleet.',
    next: 'Unregister it from the other fleet first, or delete memberships.hub.gke.io/membership in the cluster when that fleet is gone.',
  },
  ForeignCrd: {
    meaning:
      'The cluster has a CustomResourceDefinition of the needed name that another product owns; it is never touched.',
    next: 'Remove the other product or register with --adopt to read its lock without owning its CRD.',
  },
  WrongCluster: {
    meaning: 'The membership belongs to another cluster than the one that the kubeconfig leads to.',
    next: 'Check --context; compare the uid of the kube-system namespace with spec.externalId of the membership.',
  },
  AgentNotConnected: {
    meaning: 'The agent did not connect to the hub in time; what was made for it has been removed.',
    next: 'Look at the pods and logs in namespace polyanthus-agent of the cluster, check that it reaches the hub, and register again.',
  },
  IssuerUnreadable: {
    meaning: 'The issuer document or the keys for ServiceAccount tokens of the cluster could not be read.',
    next: 'Allow get on /.well-known/openid-configuration and /openid/v1/jwks for the account that registers.',
  },
  InvalidMembershipName: {
    meaning: 'The name of a membership is an RFC 1123 label of at most 63 characters.',
    next: 'Use lower-case letters, digits and dashes.',
  },
  InvalidBinding: {
    meaning: 'A role binding needs exactly one target, one principal and one role.',
    next: 'Give one of --scope and --membership, one of --user and --group, one of --role and --custom-role.',
  },
  OidcFailed: {
    meaning: 'The OpenID Connect issuer did not answer as it should, or refused the sign-in.',
    next: 'Check --oidc-issuer-url and --oidc-client-id with whoever runs the issuer, then sign in again.',
  },
  OidcSessionOver: {
    meaning: 'The sign-in with the OpenID Connect issuer has ended and could not be renewed.',
    next: 'Sign in again: polyanthus login URL --oidc-issuer-url=… --oidc-client-id=…',
  },
  HubNotConfigured: {
    meaning: 'The command does not know which hub it is for.',
    next: 'Sign in: polyanthus login https://HUB:8443 --ca-file=FILE --token-file=FILE, or give --hub-kubeconfig.',
  },
});
