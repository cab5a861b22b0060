/** What a refused upgrade means to the caller. */
import { readBody } from '@polyanthus/ground-http/body';
import type { HttpResponse } from '@polyanthus/ground-http/message';
import { StatusError, type Status } from '@polyanthus/kube-objects/status';
import { streamErrors } from './errors.ts';

const bodyBytesMax = 64 * 1024;

/** The StatusError that the answer carries, else StreamUpgradeRefused with its text. */
export async function refusedError(what: string, response: HttpResponse): Promise<Error> {
  const bytes = await readBody(response.body, bodyBytesMax).catch(() => new Uint8Array(0));
  const text = Buffer.from(bytes).toString('utf8').trim();
  const status = statusOf(text);
  if (status !== undefined) return new StatusError(status);
  return streamErrors.error(
    'StreamUpgradeRefused',
    `${what}: the server answered ${response.status}${text === '' ? '' : `: ${text.slice(0, 1_000)}`}`,
  );
}

function statusOf(text: string): Status | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    const value = JSON.parse(text) as Partial<Status>;
    return value.kind === 'Status' && value.status === 'Failure' && typeof value.code === 'number'
      ? (value as Status)
      : undefined;
  } catch {
    return undefined;
  }
}
