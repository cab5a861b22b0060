import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { background } from '@polyanthus/ground-base/context';
import { createTransport } from './node-client.ts';
import { serve } from './node-server.ts';
import { testCertificates, transportConformance } from './testing.ts';

const ctx = background();
const loopback = { host: '127.0.0.1', port: 0 };

for (const protocol of ['http/1.1', 'h2'] as const) {
  transportConformance(`${protocol} over TLS`, async (handler) => {
    const server = await serve(ctx, { handler, listen: loopback, tls: testCertificates.server });
    const transport = createTransport({
      baseUrl: `https://${server.address}`,
      protocol,
      tls: { ca: testCertificates.ca },
    });
    return {
      transport,
      close: async () => {
        await transport.close();
        await server.close(0);
      },
    };
  });
}

transportConformance('plain HTTP/1.1 on a unix socket', async (handler) => {
  const folder = await mkdtemp(join(tmpdir(), 'polyanthus-http-'));
  const path = join(folder, 'socket');
  const server = await serve(ctx, { handler, listen: { path } });
  const transport = createTransport({ baseUrl: 'http://localhost', unixSocket: path });
  return {
    transport,
    close: async () => {
      await transport.close();
      await server.close(0);
      await rm(folder, { recursive: true });
    },
  };
});
