import { duplexPair, type Duplex } from 'node:stream';
import { background } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import { inProcessTransport } from '@polyanthus/ground-http/in-process';
import type { Handler } from '@polyanthus/ground-http/message';
import { describe, expect, test } from 'vitest';
import { openPortForward, type PortForwardSession } from './port-forward-client.ts';
import { servePortForward, type ConnectPort } from './port-forward-server.ts';
import { portOf } from './port-forward.ts';

const ctx = background();

async function open(protocol: 'websocket' | 'spdy', connect: ConnectPort): Promise<PortForwardSession> {
  const handler: Handler = async (ctx, request) => servePortForward(ctx, request, connect);
  return openPortForward(ctx, inProcessTransport(handler), {
    url: '/portforward',
    protocols: [protocol],
    random: systemRandom,
  });
}

/** A program at a port: answers everything it got, in upper case, once the other side has ended. */
const upper: ConnectPort = async (_ctx, port) => {
  const [outside, inside] = duplexPair();
  const pieces: Uint8Array[] = [];
  inside.on('data', (piece: Uint8Array) => pieces.push(piece));
  inside.once('end', () => inside.end(`${port}:${Buffer.concat(pieces).toString().toUpperCase()}`));
  return outside;
};

async function text(stream: Duplex): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece as Uint8Array);
  return Buffer.concat(pieces).toString();
}

describe.each(['websocket', 'spdy'] as const)('port-forward over %s', (protocol) => {
  test('carries many connections at once, each with half-close', async () => {
    const session = await open(protocol, upper);
    const answers = await Promise.all(
      Array.from({ length: 60 }, async (_, index) => {
        const connection = await session.connect(ctx, 8000 + (index % 3));
        connection.end(`n${index}`);
        return text(connection);
      }),
    );
    expect(answers).toEqual(Array.from({ length: 60 }, (_, index) => `${8000 + (index % 3)}:N${index}`));
    await session.close();
    expect(await session.ended).toBeUndefined();
  });

  test('tells the node’s words when nothing listens, and goes on with other ports', async () => {
    const session = await open(protocol, async (ctx, port) => {
      if (port === 81) throw new Error('connection refused');
      return upper(ctx, port);
    });
    const bad = await session.connect(ctx, 81);
    await expect(text(bad)).rejects.toMatchObject({
      code: 'PortForwardFailed',
      message: expect.stringContaining('connection refused'),
    });
    const good = await session.connect(ctx, 80);
    good.end('x');
    expect(await text(good)).toBe('80:X');
    await session.close();
  });

  test('a connection that breaks at the node is an error, never an end', async () => {
    const session = await open(protocol, async () => {
      const [outside, inside] = duplexPair();
      inside.write('half an ans');
      setImmediate(() => outside.destroy(new Error('connection reset')));
      return outside;
    });
    await expect(text(await session.connect(ctx, 80))).rejects.toBeInstanceOf(Error);
    await session.close();
  });

  test('a client that goes away cancels what the node connected', async () => {
    const closed = Promise.withResolvers<void>();
    const session = await open(protocol, async () => {
      const [outside, inside] = duplexPair();
      inside.resume();
      outside.once('close', () => closed.resolve());
      return outside;
    });
    const connection = await session.connect(ctx, 80);
    connection.write('x');
    await new Promise(setImmediate);
    connection.destroy();
    await closed.promise;
    await session.close();
  });
});

test('a port is a number from 1 to 65535', () => {
  expect(['1', '65535', '0', '65536', '-1', '8e3', '', undefined].map(portOf)).toEqual([
    1,
    65_535,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});
