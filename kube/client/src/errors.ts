import { defineErrors } from '@polyanthus/ground-base/errors';

export const clientErrors = defineErrors({
  WatchLineTooLong: {
    meaning: 'A watch sent an event that is larger than the limit.',
    next: 'Look for an object of unusual size in this collection.',
  },
  AnswerNotUnderstood: {
    meaning: 'A server answered something that is not the Kubernetes API.',
    next: 'Check that the address is that of a Kubernetes API server and not of a proxy or login page in front of it.',
  },
  KubeconfigUnreadable: {
    meaning: 'A kubeconfig file cannot be read or is not valid.',
    next: 'Check the file that the message names.',
  },
  KubeconfigContextMissing: {
    meaning: 'The kubeconfig has no such context, cluster or user.',
    next: 'Look at `kubectl config get-contexts`, then name one of them.',
  },
  KubeconfigInvalid: {
    meaning: 'A kubeconfig entry contradicts itself or lacks a field.',
    next: 'Correct the field that the message names.',
  },
  CredentialUnsupported: {
    meaning: 'The kubeconfig uses a way to log in that is not supported.',
    next: 'Use an exec plugin, a token or a client certificate.',
    terminal: true,
  },
  ExecPluginFailed: {
    meaning: 'The credential plugin of the kubeconfig did not give credentials.',
    next: 'Run the plugin by hand and look at its message.',
  },
  NotInCluster: { meaning: 'The program does not run in a pod with a ServiceAccount.', next: 'Give a kubeconfig.' },
  KindUnknown: {
    meaning: 'The server has no such kind or resource.',
    next: 'Look at `kubectl api-resources`; a CRD may be missing.',
  },
});
