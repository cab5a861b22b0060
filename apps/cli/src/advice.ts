/** The next step after failures that know none themselves: answers of an API server, and errors of files. */
import { StatusError } from '@polyanthus/kube-objects/status';

/** How to see what there is, by resource. */
const lists: Readonly<Record<string, string>> = {
  runs: 'See what there is with `polyanthus runbook list` and the same --membership, --fleet, --kubeconfig and --context.',
  memberships: 'See what there is with `polyanthus fleet list`.',
};

const byReason: Readonly<Record<string, string>> = {
  Unauthorized: 'Check the credential that the kubeconfig names; for a hub: `polyanthus login`.',
  Forbidden:
    'Have an administrator of that API give you this right: the message names verb, resource and namespace; `kubectl auth can-i` shows when it is there.',
  Invalid: 'Mend the field that the message names, then run the command again.',
  Conflict: 'Somebody else changed it at the same time; run the command again.',
  TooManyRequests: 'The API is overloaded; run the command again in a while.',
  ServiceUnavailable: 'The API, or the member behind it, is away; run the command again when it is back.',
  Timeout: 'The API is slow or away; run the command again in a while.',
  ServerTimeout: 'The API is slow or away; run the command again in a while.',
  InternalError: 'The API has a trouble of its own; its log says which. Run the command again in a while.',
};

/** Of files and folders that the command line names. */
const byErrno: Readonly<Record<string, string>> = {
  ENOENT: 'Check the path that the message names; its folder must be there.',
  ENOTDIR: 'Check the path that the message names: a part of it is a file.',
  EISDIR: 'Name a file, not a folder.',
  EACCES: 'Check the permissions of the path that the message names.',
  EPERM: 'Check the permissions of the path that the message names.',
  EROFS: 'Choose a path on a file system that can be written to.',
  ENOSPC: 'Make room on the disk, or choose another path.',
};

/** Undefined where nothing useful can be said. */
export function advise(error: unknown): string | undefined {
  if (error instanceof StatusError) return ofStatus(error);
  return byErrno[(error as { readonly code?: string }).code ?? ''];
}

function ofStatus(error: StatusError): string | undefined {
  const { details, reason = '' } = error.status;
  const kind = details?.kind ?? '';
  if (reason === 'NotFound' && details === undefined)
    return 'What answers at this address knows no such API: check the server of the kubeconfig and its context (--context, --hub-context). A cluster in which no run was ever started knows no runs.';
  if (reason === 'NotFound') return lists[kind];
  if (reason === 'AlreadyExists' && kind === 'runs')
    return `Choose another --name, or go on with that run: polyanthus runbook resume ${details?.name ?? 'RUN'}`;
  return byReason[reason];
}
