/** What only raw bytes can say: smuggling, headers of the connection, switches of protocol. */
import { background } from '@polyanthus/ground-base/context';
import { readBody } from '@polyanthus/ground-http/body';
import type { Handler, ServerRequest } from '@polyanthus/ground-http/message';
import { until } from '@polyanthus/engine-tunnel/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { atMember, memberUrl, sendRaw, startTestGateway, type TestGateway } from './testing.ts';

const ctx = background();
let open: TestGateway | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

/** A member that keeps what it was asked. */
async function recording(): Promise<{ readonly gateway: TestGateway; readonly asked: ServerRequest[] }> {
  const asked: ServerRequest[] = [];
  const member: Handler = async (_ctx, request) => {
    asked.push(request);
    await readBody(request.body, 1e6).catch(() => undefined);
    return {
      status: 200,
      headers: { 'x-member': 'yes', connection: 'x-private', 'x-private': '1', 'polyanthus-upgraded': '1' },
      body: Buffer.from('ok'),
    };
  };
  open = await startTestGateway(member);
  return { gateway: open, asked };
}

const head = (path: string, ...lines: string[]): string =>
  [`GET ${memberUrl}${path} HTTP/1.1`, 'host: hub', 'authorization: Bearer alice', ...lines, '', ''].join('\r\n');

describe('raw requests', () => {
  it('lose the headers that Connection names, in both directions', async () => {
    const { gateway, asked } = await recording();
    const answer = await sendRaw(
      gateway,
      head('/api', 'connection: close, x-hop, impersonate-user', 'x-hop: 1', 'te: trailers'),
    );
    expect(asked[0]?.headers).toMatchObject({ 'impersonate-user': 'alice' });
    for (const name of ['x-hop', 'te', 'host']) expect(asked[0]?.headers).not.toHaveProperty(name);
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer).toContain('x-member: yes');
    expect(answer).not.toMatch(/x-private|polyanthus-/);
  });

  it.each([
    ['two lengths', 'content-length: 5\r\ncontent-length: 6'],
    ['a length and chunks', 'content-length: 5\r\ntransfer-encoding: chunked'],
    ['an unknown coding before chunks', 'transfer-encoding: chunked, identity'],
    ['a folded header', 'x-a: 1\r\n impersonate-user: root'],
    ['a space before the colon', 'impersonate-user : root'],
    ['two hosts', 'host: other'],
  ])('are refused with %s', async (_name, lines) => {
    const { gateway, asked } = await recording();
    const answer = await sendRaw(gateway, `${head('/api', lines, 'connection: close')}hello`);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(asked).toEqual([]);
  });

  it('cannot switch to anything but WebSocket and SPDY', async () => {
    const { gateway, asked } = await recording();
    const answer = await sendRaw(
      gateway,
      head('/api', 'connection: Upgrade, HTTP2-Settings, close', 'upgrade: h2c', 'http2-settings: AAMAAABkAAQAAP__'),
    );
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(asked).toEqual([]);
  });

  it('cannot smuggle a second request behind a refused upgrade', async () => {
    const { gateway, asked } = await recording();
    const answer = await sendRaw(
      gateway,
      head('/api/v1/namespaces/a/pods/b/exec', 'connection: Upgrade', 'upgrade: websocket') + head('/api/v1/secrets'),
    );
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(asked.map((one) => one.url)).toEqual(['/api/v1/namespaces/a/pods/b/exec']);
  });

  it('cannot hand a token to the member in a WebSocket subprotocol', async () => {
    const { gateway, asked } = await recording();
    await sendRaw(
      gateway,
      head(
        '/api/v1/namespaces/a/pods/b/exec',
        'connection: Upgrade',
        'upgrade: websocket',
        'sec-websocket-protocol: v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.YWxpY2U',
      ),
    );
    expect(asked[0]?.headers['sec-websocket-protocol']).toBe('v5.channel.k8s.io');
  });
});

describe('a switch of protocols', () => {
  it.each(['websocket', 'SPDY/3.1'])('joins both ends byte for byte (%s)', async (protocol) => {
    const asked: ServerRequest[] = [];
    open = await startTestGateway(async (_ctx, request) => {
      asked.push(request);
      return {
        status: 101,
        headers: {
          connection: 'Upgrade',
          upgrade: protocol,
          'x-stream-protocol-version': 'v4.channel.k8s.io',
          'sec-websocket-accept': 'as-the-member-said',
        },
        body: null,
        upgrade: (socket) => socket.pipe(socket),
      };
    });
    const result = await open.client().upgrade(
      ctx,
      atMember('/api/v1/namespaces/a/pods/b/exec', {
        method: 'POST',
        headers: { connection: 'Upgrade', upgrade: protocol, 'sec-websocket-key': 'as-the-client-said' },
      }),
    );
    if (result.kind !== 'upgraded') throw new Error('refused');
    expect(result.headers).toMatchObject({
      'x-stream-protocol-version': 'v4.channel.k8s.io',
      'sec-websocket-accept': 'as-the-member-said',
    });
    expect(asked[0]).toMatchObject({
      method: 'POST',
      headers: { upgrade: protocol, 'sec-websocket-key': 'as-the-client-said', 'impersonate-user': 'alice' },
    });
    const sent = Buffer.alloc(3_000_000, 'abcdefg');
    result.socket.write(sent);
    const got: Uint8Array[] = [];
    let bytes = 0;
    for await (const piece of result.socket as AsyncIterable<Uint8Array>) {
      got.push(piece);
      bytes += piece.length;
      if (bytes === sent.length) break;
    }
    expect(Buffer.concat(got).equals(sent)).toBe(true);
    await until(ctx, () => open?.audit.length === 1);
    expect(open.audit[0]).toMatchObject({ status: 101, end: 'closed', verb: 'create', allowed: true });
  });

  it('relays a refusal as it is', async () => {
    open = await startTestGateway(async () => ({
      status: 403,
      headers: { 'x-why': 'feature gate', 'content-type': 'text/plain' },
      body: Buffer.from('unable to upgrade'),
    }));
    const result = await open
      .client()
      .upgrade(
        ctx,
        atMember('/api/v1/namespaces/a/pods/b/exec', { headers: { connection: 'Upgrade', upgrade: 'websocket' } }),
      );
    if (result.kind !== 'refused') throw new Error('upgraded');
    expect(result.response).toMatchObject({ status: 403, headers: { 'x-why': 'feature gate' } });
    expect(Buffer.from(await readBody(result.response.body, 100)).toString()).toBe('unable to upgrade');
  });

  it('ends at the client when the tunnel dies', async () => {
    open = await startTestGateway(async () => ({
      status: 101,
      headers: { connection: 'Upgrade', upgrade: 'websocket' },
      body: null,
      upgrade: (socket) => socket.on('error', () => undefined).resume(),
    }));
    const result = await open
      .client()
      .upgrade(
        ctx,
        atMember('/api/v1/namespaces/a/pods/b/exec', { headers: { connection: 'Upgrade', upgrade: 'websocket' } }),
      );
    if (result.kind !== 'upgraded') throw new Error('refused');
    const closed = new Promise((resolve) =>
      result.socket
        .on('error', () => undefined)
        .once('close', resolve)
        .resume(),
    );
    await open.agent.stop();
    await closed;
    await until(ctx, () => open?.gateway.open() === 0);
  });
});
