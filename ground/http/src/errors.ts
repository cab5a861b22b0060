import { defineErrors } from '@polyanthus/ground-base/errors';

export const httpErrors = defineErrors({
  ConnectionRefused: {
    meaning: 'Nothing answers at that address.',
    next: 'Check that the server runs and that address and port are right.',
  },
  ConnectionBroken: {
    meaning: 'The connection ended before the answer was complete.',
    next: 'Run it again; a part of the answer was thrown away, nothing was taken as whole.',
  },
  CertificateRejected: {
    meaning: 'The other end showed a TLS certificate that is not trusted.',
    next: 'Check the CA in the kubeconfig, the server name and both clocks.',
  },
  NameNotFound: {
    meaning: 'The host name could not be resolved.',
    next: 'Check the host name and the DNS of this machine.',
  },
  BodyTooLarge: { meaning: 'A body is larger than the limit for it.', next: 'Send less in one request.' },
  ListenFailed: {
    meaning: 'The address to listen on is taken or not allowed.',
    next: 'Choose another port, or stop the program that holds it.',
  },
  TransportClosed: {
    meaning: 'A client was used after it was closed.',
    next: 'This is a defect; please report it with the log.',
  },
});
