/** Our framing against another implementation (`ws`), over sockets. */
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { background } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import { expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { readBody } from './body.ts';
import { createTransport } from './node-client.ts';
import { serve } from './node-server.ts';
import { acceptWebSocket, dialWebSocket } from './websocket-handshake.ts';
import { webSocketOver } from './websocket.ts';

const ctx = background();

test('our server echoes to ws as client, with the subprotocol that the client prefers', async () => {
  const server = await serve(ctx, {
    listen: { host: '127.0.0.1', port: 0 },
    handler: async (_ctx, request) =>
      acceptWebSocket(request, ['b', 'a'], (socket, head) => {
        const stream = webSocketOver(ctx, socket, { role: 'server', head });
        stream.pipe(stream);
      }),
  });
  const client = new WebSocket(`ws://${server.address}/`, ['x', 'a', 'b']);
  const sent = randomBytes(3_000_000);
  const got: Buffer[] = [];
  let size = 0;
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  client.on('error', reject);
  client.on('open', () => client.send(sent));
  client.on('message', (data: Buffer) => {
    got.push(data);
    size += data.length;
    if (size === sent.length) client.close(1000);
  });
  client.on('close', resolve);
  expect(await promise).toBe(1000);
  expect(client.protocol).toBe('a');
  expect(Buffer.concat(got).equals(sent)).toBe(true);
  await server.close(0);
});

test('a handshake without a common subprotocol is a plain 403', async () => {
  const server = await serve(ctx, {
    listen: { host: '127.0.0.1', port: 0 },
    handler: async (_ctx, request) => acceptWebSocket(request, ['a'], (socket) => socket.destroy()),
  });
  const transport = createTransport({ baseUrl: `http://${server.address}` });
  const result = await dialWebSocket(ctx, transport, systemRandom, { url: '/', protocols: ['z'] });
  if (result.kind !== 'refused') throw new Error('it was opened');
  expect(result.response.status).toBe(403);
  expect(Buffer.from(await readBody(result.response.body, 1_000)).toString()).toContain('none of the subprotocols');
  await transport.close();
  await server.close(0);
});

test('our client talks to ws as server, masked and in bulk', async () => {
  const http = createServer();
  const peer = new WebSocketServer({ server: http, handleProtocols: () => 'a' });
  peer.on('connection', (socket) => socket.on('message', (data: Buffer) => socket.send(data)));
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const transport = createTransport({ baseUrl: `http://127.0.0.1:${(http.address() as AddressInfo).port}` });
  const result = await dialWebSocket(ctx, transport, systemRandom, { url: '/', protocols: ['a'] });
  if (result.kind !== 'opened') throw new Error('it was refused');
  expect(result.protocol).toBe('a');
  const stream = webSocketOver(ctx, result.socket, { role: 'client', head: result.head, maskWith: systemRandom });
  const sent = randomBytes(3_000_000);
  stream.write(sent);
  const got: Uint8Array[] = [];
  let size = 0;
  for await (const piece of stream) {
    got.push(piece as Uint8Array);
    size += (piece as Uint8Array).length;
    if (size === sent.length) break;
  }
  expect(Buffer.concat(got).equals(sent)).toBe(true);
  await transport.close();
  peer.close();
  http.close();
});
