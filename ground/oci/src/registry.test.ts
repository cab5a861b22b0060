/** What no open registry shows: tokens, other origins, and names. The registry here answers by script. */
import * as fc from 'fast-check';
import { background } from '@polyanthus/ground-base/context';
import type { HttpRequest, HttpResponse, Transport } from '@polyanthus/ground-http/message';
import { describe, expect, it } from 'vitest';
import { credentialsIn } from './credentials.ts';
import { parseReference } from './reference.ts';
import { Repository } from './registry.ts';

const ctx = background();
const origin = 'https://registry.example.org';
const credentials = { username: 'me', password: 'pass word' };
const basic = `Basic ${Buffer.from('me:pass word').toString('base64')}`;

interface Asked extends HttpRequest {
  readonly origin: string;
}

/** A repository whose world is `answer`. */
function repository(
  answer: (asked: Asked) => Partial<HttpResponse>,
  given: typeof credentials | undefined = credentials,
) {
  const asked: Asked[] = [];
  const transportTo = (where: string): Transport => ({
    request: async (_ctx, request) => {
      asked.push({ ...request, origin: where });
      return { status: 200, headers: {}, body: null, ...answer({ ...request, origin: where }) };
    },
    upgrade: () => Promise.reject(new Error('not here')),
    close: async () => undefined,
  });
  return { asked, repository: new Repository({ origin, repository: 'team/app', credentials: given, transportTo }) };
}

const challenge = (realm: string): HttpResponse => ({
  status: 401,
  headers: { 'www-authenticate': `Bearer realm="${realm}",service="registry",scope="repository:team/app:pull,push"` },
  body: null,
});
const authorized = ({ headers }: HttpRequest): boolean => headers['authorization'] === 'Bearer good';

describe('a registry with a token service', () => {
  it('is asked again with the token that the credentials give; the credentials go to the service alone', async () => {
    const world = repository((one) => {
      if (one.origin === 'https://tokens.example.org') return { body: Buffer.from('{"token":"good"}') };
      return authorized(one) ? {} : challenge('https://tokens.example.org/token?x=1');
    });
    expect(await world.repository.hasBlob(ctx, 'sha256:a')).toBe(true);
    expect(await world.repository.hasBlob(ctx, 'sha256:b')).toBe(true);
    const urls = world.asked.map((one) => `${one.origin}${one.url}`);
    expect(urls).toEqual([
      `${origin}/v2/team/app/blobs/sha256:a`,
      'https://tokens.example.org/token?x=1&service=registry&scope=repository%3Ateam%2Fapp%3Apull%2Cpush',
      `${origin}/v2/team/app/blobs/sha256:a`,
      `${origin}/v2/team/app/blobs/sha256:b`,
    ]);
    const shown = world.asked.map((one) => one.headers['authorization']);
    expect(shown).toEqual([undefined, basic, 'Bearer good', 'Bearer good']);
  });

  it.each([
    ['sends it over plain HTTP', 'http://tokens.example.org/token', { body: Buffer.from('{"token":"good"}') }],
    ['gives no token', 'https://tokens.example.org/token', { body: Buffer.from('{"token":""}') }],
    ['answers no JSON', 'https://tokens.example.org/token', { body: Buffer.from('<html>') }],
    ['refuses', 'https://tokens.example.org/token', { status: 403 }],
  ])('whose realm %s is no way in', async (_what, realm, answer) => {
    const world = repository((one) => (one.origin === origin ? challenge(realm) : answer));
    await expect(world.repository.hasBlob(ctx, 'sha256:a')).rejects.toMatchObject({ code: 'RegistryUnauthorized' });
    expect(
      world.asked.every((one) => one.origin.startsWith('https://') || one.headers['authorization'] === undefined),
    ).toBe(true);
  });
});

it('an upload that the registry sends elsewhere goes there without the token', async () => {
  const world = repository((one) => {
    if (one.origin !== origin) return { status: 201 };
    if (!authorized(one) && one.url.startsWith('/v2')) return { ...challenge(`${origin}/token`) };
    if (one.url.startsWith('/token')) return { body: Buffer.from('{"access_token":"good"}') };
    return { status: 202, headers: { location: 'https://storage.example.org/put?signed=1' } };
  });
  const content = Buffer.from('abc');
  await world.repository.putBlob(ctx, 'sha256:a', { bytes: 3, open: () => content });
  const last = world.asked.at(-1);
  expect(last).toMatchObject({ method: 'PUT', url: '/put?signed=1&digest=sha256%3Aa', body: content });
  expect(last?.headers).toEqual({ 'content-type': 'application/octet-stream', 'content-length': '3' });
});

it('a challenge of any form ends in an answer or in a coded error', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ maxLength: 300 }), async (text) => {
      const world = repository(() => ({ status: 401, headers: { 'www-authenticate': text } }));
      await expect(world.repository.hasBlob(ctx, 'sha256:a')).rejects.toMatchObject({ code: 'RegistryUnauthorized' });
    }),
    { numRuns: 200 },
  );
});

describe('names of images', () => {
  it.each([
    ['registry.example.org/team/app:1.0', { host: 'registry.example.org', repository: 'team/app', tag: '1.0' }],
    ['localhost:5000/app:v1', { host: 'localhost:5000', repository: 'app', tag: 'v1' }],
    ['[::1]:5000/a/b_c/d--e:x', { host: '[::1]:5000', repository: 'a/b_c/d--e', tag: 'x' }],
  ])('%s', (text, wanted) => expect(parseReference(text)).toEqual(wanted));

  it.each([
    'app:1',
    'team/app:1',
    'r.example/app',
    'r.example/App:1',
    'r.example/../app:1',
    'r.example/app:',
    'r.example/a:b c',
    '',
  ])('%j is none', (text) => expect(() => parseReference(text)).toThrow(/^image name/));

  it('are read as what they are made of, and anything else is refused', () => {
    const part = fc.stringMatching(/^[a-z0-9]{1,5}([._-][a-z0-9]{1,5}){0,2}$/);
    const tag = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,20}$/);
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), tag, (parts, name) => {
        const made = { host: 'r.example:5000', repository: parts.join('/'), tag: name };
        expect(parseReference(`${made.host}/${made.repository}:${made.tag}`)).toEqual(made);
      }),
    );
    fc.assert(
      fc.property(fc.string({ maxLength: 600 }), (text) => {
        try {
          const { host, repository: path, tag: name } = parseReference(text);
          expect(`${host}/${path}:${name}`).toBe(text);
        } catch (error) {
          expect(error).toMatchObject({ code: 'ImageReferenceInvalid' });
        }
      }),
    );
  });
});

describe('a file of credentials', () => {
  const file = JSON.stringify({ auths: { 'r.example': { auth: Buffer.from('me:a:b').toString('base64') }, bad: {} } });
  it('has a name and a password for a registry, or nothing', () => {
    expect(credentialsIn(file, 'r.example')).toEqual({ username: 'me', password: 'a:b' });
    expect(credentialsIn(file, 'other.example')).toBeUndefined();
  });

  it('that cannot be read is refused without a word of it', () => {
    expect(() => credentialsIn(file, 'bad')).toThrow('auths["bad"].auth is not name:password');
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          credentialsIn(text, 'r.example');
        } catch (error) {
          expect(error).toMatchObject({
            code: 'AuthFileInvalid',
            message: 'the file of registry credentials is no JSON object',
          });
        }
      }),
    );
  });
});
