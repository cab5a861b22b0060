import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { background } from '@polyanthus/ground-base/context';
import { expect, it } from 'vitest';
import { readBody } from './body.ts';
import { createTransport } from './node-client.ts';

const ctx = background();
const asked = { method: 'GET', url: '/', headers: {}, body: null };

it('gives a coded error when a server dies that left several connections in the pool', async () => {
  const sockets: Socket[] = [];
  let dying = false;
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', () => {
      if (dying) socket.resetAndDestroy();
      // Both are answered when both have come, so that each has a connection of its own.
      else if (sockets.length === 2)
        for (const one of sockets) one.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const transport = createTransport({ baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
  const answers = await Promise.all([transport.request(ctx, asked), transport.request(ctx, asked)]);
  for (const answer of answers) expect(String(Buffer.from(await readBody(answer.body, 10)))).toBe('ok');
  dying = true;
  const closed = once(server, 'close');
  server.close();
  await expect(transport.request(ctx, asked)).rejects.toMatchObject({ code: 'ConnectionRefused' });
  for (const socket of sockets) socket.destroy();
  await closed;
  await transport.close();
});
