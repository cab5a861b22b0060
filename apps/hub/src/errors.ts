import { defineErrors } from '@polyanthus/ground-base/errors';

export const hubErrors = defineErrors({
  IdentityUnreadable: {
    meaning:
      "The file or Secret with the hub's keys is missing, damaged or of a later version, so the hub cannot prove to agents who it is.",
    next: 'Restore it from a backup, or start a new hub with another --data-dir or --identity-secret.',
  },
  ClusterNotPrepared: {
    meaning: "The cluster that shall be the hub's API lacks the hub's kinds, or the hub's account lacks its rights.",
    next: 'Apply what the hub needs: polyanthus hub manifests | kubectl apply --server-side -f -',
  },
  WorkerFailed: {
    meaning: 'A worker of the hub ended or did not start; the hub stops rather than serve half.',
    next: 'Look at the cause in the message and the log, then start the hub again.',
  },
  OidcUnusable: {
    meaning: 'The OpenID Connect issuer is not given completely, or its documents cannot be read.',
    next: 'Give --oidc-issuer-url with https and --oidc-client-id; see that the hub reaches the issuer and trusts its CA (--oidc-ca-file).',
  },
  HandedKeyChanged: {
    meaning: 'The Secret with the key for hosts was changed after a run had been handed over with it.',
    next: 'Put back what it held; or abort the run and start it anew, as somebody who may read the Secret.',
  },
  AddressUnsafe: {
    meaning: 'A listening address or host name has a form that cannot be used.',
    next: 'Give --listen as HOST:PORT.',
  },
});
