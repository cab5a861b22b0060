import { background } from '@polyanthus/ground-base/context';
import { describe, expect, it } from 'vitest';
import { readBody } from './body.ts';
import type { Handler } from './message.ts';
import { createTransport } from './node-client.ts';
import { serve } from './node-server.ts';
import { testCertificates, testRequest } from './testing.ts';

const ctx = background();

/** Pieces that are all here when the answer begins, and no length. */
const inPieces: Handler = async () => ({
  status: 200,
  headers: {},
  body: (async function* () {
    yield Buffer.from('first ');
    yield Buffer.from('second');
  })(),
});

describe('an answer without a length', () => {
  for (const protocol of ['http/1.1', 'h2'] as const) {
    it(`keeps the order of its pieces and leaves the connection good, whether they wait or not (${protocol})`, async () => {
      const listen = { host: '127.0.0.1', port: 0 };
      const server = await serve(ctx, { handler: inPieces, listen, tls: testCertificates.server });
      const client = createTransport({
        baseUrl: `https://${server.address}`,
        protocol,
        tls: { ca: testCertificates.ca },
      });
      for (let call = 0; call < 3; call++) {
        const response = await client.request(ctx, testRequest('/'));
        expect(Buffer.from(await readBody(response.body, 1_000)).toString()).toBe('first second');
      }
      await client.close();
      await server.close(0);
    });
  }
});
