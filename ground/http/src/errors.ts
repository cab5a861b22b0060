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
  ClientCertificateRefused: {
    meaning: 'The server did not accept the client certificate, or asked for one that was not given.',
    next: 'Check that the client certificate is valid and signed by a CA that the server trusts.',
  },
  TlsMaterialInvalid: {
    meaning: 'A certificate, key or CA is not usable PEM, or key and certificate do not belong together.',
    next: 'Check the PEM data in the configuration.',
    terminal: true,
  },
  ProxyFailed: {
    meaning: 'The HTTP proxy did not open a way to the server.',
    next: 'Check HTTPS_PROXY, NO_PROXY or proxy-url, and what the proxy allows.',
  },
  ProxyUnsupported: {
    meaning: 'The proxy address has a scheme that is not spoken here.',
    next: 'Use an http:// or https:// proxy that allows CONNECT.',
    terminal: true,
  },
  UnexpectedProtocol: {
    meaning: 'What answered does not speak the expected protocol.',
    next: 'Check scheme and port: https on a plain port, or another service on it.',
  },
  TransportClosed: {
    meaning: 'A client was used after it was closed.',
    next: 'This is a defect; please report it with the log.',
  },
});
