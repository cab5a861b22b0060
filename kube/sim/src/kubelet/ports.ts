/** What listens at a simulated container's ports. */
import { createServer } from 'node:http';
import { duplexPair, type Duplex } from 'node:stream';
import type { PortBehaviour } from './behaviour.ts';

/** A connection to a port. The program at its other end lives as long as the connection. */
export function connectPort(behaviour: PortBehaviour): Duplex {
  const [outside, inside] = duplexPair();
  inside.on('error', () => undefined);
  outside.once('close', () => inside.destroy());
  if (behaviour.kind === 'echo') inside.pipe(inside);
  else serveHttp(behaviour, inside);
  return outside;
}

function serveHttp(behaviour: Extract<PortBehaviour, { kind: 'http' }>, connection: Duplex): void {
  const server = createServer((_request, response) => {
    response.writeHead(behaviour.status ?? 200, {
      'content-type': behaviour.contentType ?? 'text/plain',
      'content-length': Buffer.byteLength(behaviour.body),
    });
    response.end(behaviour.body);
  });
  // Never listens: it only speaks HTTP on this one connection.
  server.emit('connection', connection);
}
