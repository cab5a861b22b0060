/** Requests as no well-behaved client sends them: bytes over TLS, HTTP/1.1. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { connect } from 'node:tls';
import { soonMs, type TestFleet, type UserFields } from './fixture.ts';

/** An answer. Names of headers in lower case. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The parts of a kubeconfig's user that go into TLS. */
function tlsOf(user: UserFields): { readonly cert?: Buffer; readonly key?: Buffer } {
  const { 'client-certificate-data': cert, 'client-key-data': key } = user;
  return cert === undefined || key === undefined
    ? {}
    : { cert: Buffer.from(cert, 'base64'), key: Buffer.from(key, 'base64') };
}

/** The header line of a user with a token. */
export function authorization(user: UserFields): string {
  return user['token'] === undefined ? '' : `Authorization: Bearer ${user['token']}\r\n`;
}

/** Sends `text` as it is and reads until the hub closes or a whole answer is there; gives every answer in order. */
export async function sendBytes(fleet: TestFleet, user: UserFields, text: string): Promise<readonly Answer[]> {
  const socket = connect({
    host: '127.0.0.1',
    port: fleet.port,
    ca: readFileSync(fleet.hubCaFile),
    ALPNProtocols: ['http/1.1'],
    ...tlsOf(user),
  });
  let received = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    received += chunk;
    // The rest of an answer, and an answer to what was smuggled, come at once.
    socket.setTimeout(2000);
  });
  socket.on('error', () => undefined);
  socket.setTimeout(soonMs, () => socket.destroy());
  await once(socket, 'secureConnect');
  socket.write(text);
  await once(socket, 'close');
  return answersIn(received);
}

function answersIn(received: string): readonly Answer[] {
  return received
    .split(/(?=HTTP\/1\.1 \d{3} )/)
    .filter((text) => text.startsWith('HTTP/1.1'))
    .map((text) => {
      const [head = '', ...rest] = text.split('\r\n\r\n');
      const [first = '', ...lines] = head.split('\r\n');
      const headers = Object.fromEntries(
        lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
      );
      return { status: Number(first.split(' ')[1]), headers, body: rest.join('\r\n\r\n') };
    });
}

/** An orderly request; a path is sent as it is. */
export async function ask(
  fleet: TestFleet,
  user: UserFields,
  path: string,
  options: {
    readonly method?: string;
    readonly headers?: Readonly<Record<string, string | readonly string[]>>;
    readonly body?: string | Buffer;
  } = {},
): Promise<Answer> {
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(options.headers ?? {}))
    headers[name] = typeof value === 'string' ? value : [...value];
  if (user['token'] !== undefined) headers['authorization'] = `Bearer ${user['token']}`;
  const call = request({
    host: '127.0.0.1',
    port: fleet.port,
    path,
    method: options.method ?? 'GET',
    ca: readFileSync(fleet.hubCaFile),
    headers,
    agent: false,
    ...tlsOf(user),
  });
  call.end(options.body);
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  let body = '';
  for await (const chunk of response.setEncoding('utf8')) body += chunk as string;
  const flat = Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name, String(value)]));
  return { status: response.statusCode ?? 0, headers: flat, body };
}
