import { defineErrors } from '@polyanthus/ground-base/errors';

export const drainErrors = defineErrors({
  DrainRefused: {
    meaning:
      'The node has pods that may not be evicted as asked: unmanaged ones, ones with local data, or ones of a DaemonSet.',
    next: 'Look at the pods that the message names; allow it with --force, --delete-emptydir-data or --ignore-daemonsets.',
  },
  EvictionRefused: {
    meaning: 'The API server refused to evict a pod for another reason than its disruption budget.',
    next: 'Look at the reason in the message: a right is missing, or an admission webhook says no.',
  },
  DrainBlocked: {
    meaning: 'Pods could not be evicted in time: their disruption budget allows no disruption.',
    next: 'Look at the budgets that the message names: bring their other pods up, or wait longer.',
  },
});
