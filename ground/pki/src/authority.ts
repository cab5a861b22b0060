/** A certificate authority: its own certificate and key, and what it issues. The X.509 writer is loaded at the first issue. */
import { createPrivateKey, createPublicKey, webcrypto } from 'node:crypto';
import type { Random } from '@polyanthus/ground-base/random';
import type * as Library from '@peculiar/x509';
import { pkiErrors } from './errors.ts';
import { generateKey, type KeyPair } from './keys.ts';

/** What an authority is made of; `keyPem` is a secret. */
export interface AuthorityFiles {
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** A certificate for a client: who it is. Its key comes from a request (`csrPem`) or is given (`publicKeyPem`). */
export interface ClientCertificate {
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly publicKeyPem: string;
  readonly ttlMs: number;
}

/** A certificate for a server; the first name is its common name unless another is given. */
export interface ServerCertificate {
  readonly commonName?: string;
  readonly names: readonly string[];
  readonly ips: readonly string[];
  /** Default none. */
  readonly organizations?: readonly string[];
  readonly publicKeyPem: string;
  readonly ttlMs: number;
  /** It may present itself as a client too: for replicas that call each other. */
  readonly client?: boolean;
}

/** Issues; every answer is PEM. */
export interface Authority extends AuthorityFiles {
  issueClient(nowMs: number, wanted: ClientCertificate): Promise<string>;
  issueServer(nowMs: number, wanted: ServerCertificate): Promise<string>;
}

/** Clocks differ: everything is valid from this much before now. */
const backdateMs = 5 * 60_000;

type X509 = typeof Library;

async function x509(): Promise<X509> {
  return (await import('./x509-library.ts')).x509Library;
}

const signing = { name: 'ECDSA', hash: 'SHA-256' } as const;

async function importPrivate(pem: string): Promise<webcrypto.CryptoKey> {
  const der = createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' });
  return webcrypto.subtle.importKey('pkcs8', der, { name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign']);
}

/** Attributes of a name in their order, one each. */
type Subject = readonly (readonly [attribute: 'CN' | 'O', value: string])[];

/** As UTF8String to the letter: in its plain form the library reads `#0c…` as DER, and a caller could name anybody. */
function nameOf(library: X509, subject: Subject): InstanceType<X509['Name']> {
  return new library.Name(subject.map(([attribute, utf8String]) => ({ [attribute]: [{ utf8String }] })));
}

/** DER of the SubjectPublicKeyInfo, whatever the kind of key. */
const spki = (pem: string): ArrayBuffer =>
  Uint8Array.from(createPublicKey(pem).export({ type: 'spki', format: 'der' })).buffer;

/** A new authority, self-signed, EC P-256, ten years unless `ttlMs` says otherwise. */
export async function createAuthority(options: {
  readonly commonName: string;
  readonly nowMs: number;
  readonly random: Random;
  readonly ttlMs?: number;
}): Promise<Authority> {
  const { privateKeyPem, publicKeyPem } = await generateKey();
  const library = await x509();
  const ten = 10 * 365 * 86_400_000;
  const certificate = await library.X509CertificateGenerator.create({
    serialNumber: serial(options.random),
    subject: nameOf(library, [['CN', options.commonName]]),
    issuer: nameOf(library, [['CN', options.commonName]]),
    notBefore: new Date(options.nowMs - backdateMs),
    notAfter: new Date(options.nowMs + (options.ttlMs ?? ten)),
    publicKey: new library.PublicKey(spki(publicKeyPem)),
    signingKey: await importPrivate(privateKeyPem),
    signingAlgorithm: signing,
    extensions: [
      new library.BasicConstraintsExtension(true, undefined, true),
      new library.KeyUsagesExtension(
        library.KeyUsageFlags.keyCertSign | library.KeyUsageFlags.cRLSign | library.KeyUsageFlags.digitalSignature,
        true,
      ),
      await library.SubjectKeyIdentifierExtension.create(new library.PublicKey(spki(publicKeyPem))),
    ],
  });
  return loadAuthority({ certificatePem: certificate.toString('pem'), keyPem: privateKeyPem }, options.random);
}

/** An authority from its files. */
export function loadAuthority(files: AuthorityFiles, random: Random): Authority {
  // Read once: thousands of agents may enrol on one thread.
  let signer: Promise<Signer> | undefined;
  const opened = (): Promise<Signer> => (signer ??= openSigner(files));
  return {
    ...files,
    issueClient: async (nowMs, wanted) =>
      issue(await opened(), random, nowMs, {
        subject: [['CN', wanted.commonName], ...wanted.organizations.map((one) => ['O', one] as const)],
        publicKeyPem: wanted.publicKeyPem,
        ttlMs: wanted.ttlMs,
        server: false,
        client: true,
        names: [],
        ips: [],
      }),
    issueServer: async (nowMs, wanted) =>
      issue(await opened(), random, nowMs, {
        subject: [
          ['CN', wanted.commonName ?? wanted.names[0] ?? wanted.ips[0] ?? 'server'],
          ...(wanted.organizations ?? []).map((one) => ['O', one] as const),
        ],
        publicKeyPem: wanted.publicKeyPem,
        ttlMs: wanted.ttlMs,
        server: true,
        client: wanted.client === true,
        names: wanted.names,
        ips: wanted.ips,
      }),
  };
}

interface Leaf {
  readonly subject: Subject;
  readonly publicKeyPem: string;
  readonly ttlMs: number;
  readonly server: boolean;
  readonly client: boolean;
  readonly names: readonly string[];
  readonly ips: readonly string[];
}

/** An authority's own certificate and key as the library has them, and the extension that names it as the issuer. */
interface Signer {
  readonly library: X509;
  readonly issuer: InstanceType<X509['X509Certificate']>;
  readonly key: webcrypto.CryptoKey;
  readonly issuerIdentifier: InstanceType<X509['AuthorityKeyIdentifierExtension']>;
}

async function openSigner(files: AuthorityFiles): Promise<Signer> {
  const library = await x509();
  const issuer = new library.X509Certificate(files.certificatePem);
  const issuerIdentifier = await library.AuthorityKeyIdentifierExtension.create(issuer);
  return { library, issuer, key: await importPrivate(files.keyPem), issuerIdentifier };
}

async function issue(signer: Signer, random: Random, nowMs: number, leaf: Leaf): Promise<string> {
  const { library, issuer } = signer;
  const uses = [
    ...(leaf.server ? [library.ExtendedKeyUsage.serverAuth] : []),
    ...(leaf.client ? [library.ExtendedKeyUsage.clientAuth] : []),
  ];
  const names = [
    ...leaf.names.map((value) => ({ type: 'dns' as const, value })),
    ...leaf.ips.map((value) => ({ type: 'ip' as const, value })),
  ];
  const certificate = await library.X509CertificateGenerator.create({
    serialNumber: serial(random),
    subject: nameOf(library, leaf.subject),
    issuer: issuer.subjectName,
    notBefore: new Date(nowMs - backdateMs),
    // Nothing outlives its issuer.
    notAfter: new Date(Math.min(nowMs + leaf.ttlMs, issuer.notAfter.getTime())),
    publicKey: new library.PublicKey(spki(leaf.publicKeyPem)),
    signingKey: signer.key,
    signingAlgorithm: signing,
    extensions: [
      new library.BasicConstraintsExtension(false, undefined, true),
      new library.KeyUsagesExtension(library.KeyUsageFlags.digitalSignature, true),
      new library.ExtendedKeyUsageExtension(uses),
      signer.issuerIdentifier,
      ...(names.length === 0 ? [] : [new library.SubjectAlternativeNameExtension(names)]),
    ],
  });
  return certificate.toString('pem');
}

/** 16 random bytes; the first keeps the number positive. */
function serial(random: Random): string {
  const bytes = random.bytes(16);
  bytes[0] = (bytes[0] ?? 0) & 0x7f || 1;
  return Buffer.from(bytes).toString('hex');
}

/** A signing request for a key pair. */
export async function createCsr(
  pair: KeyPair,
  commonName: string,
  organizations: readonly string[] = [],
  alternative: { readonly names?: readonly string[]; readonly ips?: readonly string[] } = {},
): Promise<string> {
  const library = await x509();
  const publicKey = await webcrypto.subtle.importKey(
    'spki',
    spki(pair.publicKeyPem),
    { name: 'ECDSA', namedCurve: 'P-256' },
    true,
    ['verify'],
  );
  const other = [
    ...(alternative.names ?? []).map((value) => ({ type: 'dns', value }) as const),
    ...(alternative.ips ?? []).map((value) => ({ type: 'ip', value }) as const),
  ];
  const request = await library.Pkcs10CertificateRequestGenerator.create({
    ...(other.length === 0 ? {} : { extensions: [new library.SubjectAlternativeNameExtension(other)] }),
    name: nameOf(library, [['CN', commonName], ...organizations.map((one) => ['O', one] as const)]),
    keys: { privateKey: await importPrivate(pair.privateKeyPem), publicKey },
    signingAlgorithm: signing,
  });
  return request.toString('pem');
}

/** RFC 5280, subjectAltName. */
const alternativeNamesOid = '2.5.29.17';

/** What a certificate signing request asks for. */
export interface CertificateRequest {
  readonly publicKeyPem: string;
  readonly commonName: string;
  readonly organizations: readonly string[];
  /** Subject alternative names. */
  readonly dnsNames: readonly string[];
  readonly ips: readonly string[];
  /** How many alternative names of other kinds: e-mail addresses, URIs. */
  readonly otherNames: number;
}

/** What a signing request asks for. Whoever sent it holds the key: the signature is checked. Throws CsrInvalid. */
export async function readCsr(pem: string): Promise<CertificateRequest> {
  const library = await x509();
  try {
    if (pem.length > 16_384) throw new Error('it is longer than 16 KiB');
    const request = new library.Pkcs10CertificateRequest(pem);
    if (!(await request.verify())) throw new Error('its signature is wrong');
    const name = request.subjectName;
    const extension = request.getExtension(alternativeNamesOid);
    const { items: other } =
      extension === null ? { items: [] } : new library.SubjectAlternativeNameExtension(extension.rawData).names;
    const of = (type: string): readonly string[] => other.filter((one) => one.type === type).map(({ value }) => value);
    return {
      publicKeyPem: request.publicKey.toString('pem'),
      commonName: name.getField('CN')[0] ?? '',
      organizations: name.getField('O'),
      dnsNames: of('dns'),
      ips: of('ip'),
      otherNames: other.length - of('dns').length - of('ip').length,
    };
  } catch (cause) {
    throw pkiErrors.error('CsrInvalid', 'the certificate signing request cannot be used', { cause });
  }
}
