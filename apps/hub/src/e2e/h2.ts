/** Watches as client-go makes them: several on one HTTP/2 connection, lines of events on each. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type ClientHttp2Session } from 'node:http2';
import type { TestFleet } from './fixture.ts';

/** One watch: what it has seen, in order, and how it ended. */
export interface Watch {
  readonly names: readonly string[];
  readonly ended: Promise<{ readonly code: number }>;
}

/** Opens a connection to the hub. */
export async function openConnection(fleet: TestFleet): Promise<ClientHttp2Session> {
  const session = connect(fleet.url, { ca: readFileSync(fleet.hubCaFile) });
  session.on('error', () => undefined);
  await once(session, 'connect');
  return session;
}

/** Opens a watch with a bearer token and waits for its 200. */
export async function openWatch(session: ClientHttp2Session, token: string, path: string): Promise<Watch> {
  const stream = session.request({ ':path': path, authorization: `Bearer ${token}` });
  const names: string[] = [];
  let rest = '';
  stream.on('error', () => undefined);
  const ended = new Promise<{ readonly code: number }>((resolve) =>
    stream.once('close', () => resolve({ code: stream.rstCode })),
  );
  const [headers] = (await once(stream, 'response')) as [{ ':status'?: number }];
  if (headers[':status'] !== 200) throw new Error(`the watch was answered ${headers[':status']}`);
  stream.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const event = JSON.parse(line) as {
        readonly type: string;
        readonly object: { readonly metadata: { readonly name: string } };
      };
      if (event.type === 'ADDED') names.push(event.object.metadata.name);
    }
  });
  return { names, ended };
}
