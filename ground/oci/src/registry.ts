/**
 * One repository of a registry (distribution-spec v1.1) over HTTP: who may is settled by the challenge that the registry
 * answers with (Basic, or a token of its token service).
 */
import type { Context } from '@polyanthus/ground-base/context';
import { readBody } from '@polyanthus/ground-http/body';
import { header } from '@polyanthus/ground-http/headers';
import type { Body, HeaderValues, HttpResponse, Transport } from '@polyanthus/ground-http/message';
import { ociErrors } from './errors.ts';

/** Name and password, or a token in the password's place, of a registry. */
export interface RegistryCredentials {
  readonly username: string;
  readonly password: string;
}

/** Where a repository is. */
export interface RepositoryOptions {
  /** `https://host[:port]` of the registry. */
  readonly origin: string;
  readonly repository: string;
  readonly credentials: RegistryCredentials | undefined;
  /** A way to an origin: the registry, its token service, or where it lets uploads go. */
  readonly transportTo: (origin: string) => Transport;
}

/** A body that can be sent again after a challenge. */
export interface Upload {
  readonly bytes: number;
  readonly open: () => Body;
}

interface Sent {
  readonly method: string;
  readonly url: URL;
  readonly headers?: HeaderValues;
  readonly upload?: Upload;
}

/** Answers other than blobs are short. */
const answerBytesMax = 1024 * 1024;

/** Calls to one repository. Every method throws RegistryRefused, RegistryUnauthorized, or an error of ground/http. */
export class Repository {
  readonly #options: RepositoryOptions;
  #authorization: string | undefined;

  constructor(options: RepositoryOptions) {
    this.#options = options;
  }

  /** Whether the repository has the blob. */
  async hasBlob(ctx: Context, digest: string): Promise<boolean> {
    return this.#has(ctx, `blobs/${digest}`, {});
  }

  /** Whether there is a manifest of that digest. */
  async hasManifest(ctx: Context, digest: string, mediaType: string): Promise<boolean> {
    return this.#has(ctx, `manifests/${digest}`, { accept: mediaType });
  }

  async #has(ctx: Context, path: string, headers: HeaderValues): Promise<boolean> {
    const answer = await this.#send(ctx, { method: 'HEAD', url: this.#url(path), headers });
    if (answer.status === 404) return false;
    await this.#expect(answer, [200], `asking for ${path}`);
    return true;
  }

  /** Sends a blob whole, in one piece after the session is open. */
  async putBlob(ctx: Context, digest: string, upload: Upload): Promise<void> {
    const opened = await this.#send(ctx, { method: 'POST', url: this.#url('blobs/uploads/') });
    await this.#expect(opened, [202], `opening an upload of ${digest}`);
    const location = header(opened.headers, 'location') ?? '';
    if (!URL.canParse(location, this.#options.origin))
      throw ociErrors.error('RegistryRefused', `${this.#options.origin}: it says no Location for an upload`);
    const url = new URL(location, this.#options.origin);
    url.searchParams.set('digest', digest);
    const headers = { 'content-type': 'application/octet-stream' };
    await this.#expect(await this.#send(ctx, { method: 'PUT', url, headers, upload }), [201], `sending blob ${digest}`);
  }

  /** A manifest's bytes, or undefined when there is none. */
  async getManifest(ctx: Context, reference: string, mediaType: string): Promise<Uint8Array | undefined> {
    const headers = { accept: mediaType };
    const answer = await this.#send(ctx, { method: 'GET', url: this.#url(`manifests/${reference}`), headers });
    if (answer.status === 404) {
      await readBody(answer.body, answerBytesMax);
      return undefined;
    }
    return this.#expect(answer, [200], `reading manifest ${reference}`);
  }

  /** Puts a manifest under a tag or its digest. Says whether the registry lists it as a referrer of its subject. */
  async putManifest(
    ctx: Context,
    reference: string,
    mediaType: string,
    content: Uint8Array,
  ): Promise<{ readonly listed: boolean }> {
    const upload = { bytes: content.length, open: () => content };
    const headers = { 'content-type': mediaType };
    const url = this.#url(`manifests/${reference}`);
    const answer = await this.#send(ctx, { method: 'PUT', url, headers, upload });
    await this.#expect(answer, [201], `writing manifest ${reference}`);
    return { listed: header(answer.headers, 'oci-subject') !== undefined };
  }

  #url(path: string): URL {
    return new URL(`/v2/${this.#options.repository}/${path}`, this.#options.origin);
  }

  async #send(ctx: Context, sent: Sent): Promise<HttpResponse> {
    const answer = await this.#sendOnce(ctx, sent);
    if (answer.status !== 401 || sent.url.origin !== this.#options.origin) return answer;
    await readBody(answer.body, answerBytesMax);
    this.#authorization = await this.#answerTo(ctx, header(answer.headers, 'www-authenticate') ?? '');
    return this.#sendOnce(ctx, sent);
  }

  #sendOnce(ctx: Context, { method, url, headers, upload }: Sent): Promise<HttpResponse> {
    const { origin, transportTo } = this.#options;
    // What the registry gave for itself goes to nobody else.
    const own = url.origin === origin && this.#authorization !== undefined;
    return transportTo(url.origin).request(ctx, {
      method,
      url: `${url.pathname}${url.search}`,
      headers: {
        ...headers,
        ...(method === 'GET' || method === 'HEAD' ? {} : { 'content-length': String(upload?.bytes ?? 0) }),
        ...(own ? { authorization: this.#authorization ?? '' } : {}),
      },
      body: upload === undefined ? null : upload.open(),
    });
  }

  /** The Authorization that a challenge asks for. */
  async #answerTo(ctx: Context, challenge: string): Promise<string> {
    const { credentials, origin } = this.#options;
    const basic =
      credentials === undefined
        ? undefined
        : `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`;
    if (/^basic\b/i.test(challenge) && basic !== undefined) return basic;
    const realm = parameterOf(challenge, 'realm') ?? '';
    if (!/^bearer\b/i.test(challenge) || !URL.canParse(realm))
      throw ociErrors.error('RegistryUnauthorized', `${origin}: it wants credentials, and none are given`);
    return `Bearer ${await this.#tokenFrom(ctx, new URL(realm), challenge, basic)}`;
  }

  async #tokenFrom(ctx: Context, realm: URL, challenge: string, basic: string | undefined): Promise<string> {
    const { origin, repository, transportTo } = this.#options;
    if (basic !== undefined && realm.protocol !== 'https:' && new URL(origin).protocol === 'https:')
      throw ociErrors.error('RegistryUnauthorized', `${origin}: its token service ${realm.origin} is not by TLS`);
    const service = parameterOf(challenge, 'service');
    if (service !== undefined) realm.searchParams.set('service', service);
    realm.searchParams.set('scope', parameterOf(challenge, 'scope') ?? `repository:${repository}:pull,push`);
    const answer = await transportTo(realm.origin).request(ctx, {
      method: 'GET',
      url: `${realm.pathname}${realm.search}`,
      headers: basic === undefined ? {} : { authorization: basic },
      body: null,
    });
    const content = await readBody(answer.body, answerBytesMax);
    const given = answer.status === 200 ? tokenIn(content) : undefined;
    if (given === undefined)
      throw ociErrors.error(
        'RegistryUnauthorized',
        `${realm.origin} gave no token for ${repository}: ${answer.status}`,
      );
    return given;
  }

  async #expect(answer: HttpResponse, statuses: readonly number[], doing: string): Promise<Uint8Array> {
    const content = await readBody(answer.body, answerBytesMax);
    if (statuses.includes(answer.status)) return content;
    const { origin, repository } = this.#options;
    const said = Buffer.from(content).toString('utf8').slice(0, 500);
    const code = answer.status === 401 || answer.status === 403 ? 'RegistryUnauthorized' : 'RegistryRefused';
    throw ociErrors.error(code, `${origin}/${repository}: ${doing}: ${answer.status} ${said}`.trim());
  }
}

/** A quoted parameter of a challenge. */
function parameterOf(challenge: string, name: string): string | undefined {
  return new RegExp(`[ ,]${name}="([^"\\\\]{1,2000})"`, 'i').exec(challenge.slice(0, 4_000))?.[1];
}

function tokenIn(content: Uint8Array): string | undefined {
  try {
    const { token, access_token } = JSON.parse(Buffer.from(content).toString('utf8')) as Record<string, unknown>;
    const found = token ?? access_token;
    return typeof found === 'string' && found !== '' ? found : undefined;
  } catch {
    return undefined;
  }
}
