import { defineErrors } from '@polyanthus/ground-base/errors';

export const pkiErrors = defineErrors({
  CertificateUnreadable: {
    meaning: 'A text is no X.509 certificate in PEM or DER.',
    next: 'Check the file; it begins with -----BEGIN CERTIFICATE-----.',
  },
  CertificateNotTrusted: {
    meaning: 'A certificate is expired, not valid yet, or from another authority.',
    next: 'Compare both clocks and the issuer that the message names; renew the certificate.',
  },
  CsrInvalid: {
    meaning: 'A certificate signing request cannot be read, or its signature is wrong.',
    next: 'Make the request anew with the key that it is for.',
  },
  JwtInvalid: {
    meaning: 'A token is malformed, expired, for another audience, or not signed by a known key.',
    next: 'Get a new token from the issuer that the message names.',
  },
});
