import { defineErrors } from '@polyanthus/ground-base/errors';

export const lifecycleErrors = defineErrors({
  NodeUnknown: {
    meaning: 'The cluster has no node of this name.',
    next: 'See what there is with `kubectl get nodes`, then start it again with names that are there.',
  },
  HostAccessMissing: {
    meaning: 'A step works on a host, and this executor has not been told how to reach it.',
    next: 'Give --ssh-user, --ssh-key and --known-hosts, and carry the run out where those files are: `polyanthus runbook resume RUN`.',
  },
  HostNotFenced: {
    meaning: 'A host could not be reached, so that it is not known whether the command of a run still works there.',
    next: 'Bring the host back, then ask for the undo again; or abort the run, which leaves everything as it is.',
  },
});
