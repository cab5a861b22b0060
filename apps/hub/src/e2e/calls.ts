/**
 * A program for the tests: asks one URL ten times a second with a client certificate, each time on a new connection, and
 * prints a line for each answer: its status, or the code of the error. Arguments: URL, CA, certificate, key (files).
 */
import { readFileSync } from 'node:fs';
import { request } from 'node:https';

const [, , url = '', ca = '', cert = '', key = ''] = process.argv;
const tls = { ca: readFileSync(ca), cert: readFileSync(cert), key: readFileSync(key) };
const everyMs = 100;
const answerTimeoutMs = 60_000;

function once(): void {
  const say = (what: string): void => void process.stdout.write(`${what}\n`);
  const failed = (error: NodeJS.ErrnoException): void => say(error.code ?? error.message);
  const call = request(url, { ...tls, agent: false, signal: AbortSignal.timeout(answerTimeoutMs) }, (response) => {
    response.on('error', failed).resume();
    response.once('end', () => say(response.complete ? String(response.statusCode) : 'ECONNRESET'));
  });
  call.once('error', failed).end();
}

setInterval(once, everyMs);
