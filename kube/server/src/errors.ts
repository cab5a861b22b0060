/** Coded errors of the API server itself; failures of requests are Statuses. */
import { defineErrors } from '@polyanthus/ground-base/errors';

export const serverErrors = defineErrors({
  ClusterNameTaken: {
    meaning: 'A logical cluster of this name exists already in this server.',
    next: 'Choose another name, or use the cluster that is there.',
  },
  ClusterNameInvalid: {
    meaning: 'The name of a logical cluster is a label of RFC 1123: lower-case letters, digits and dashes.',
    next: 'Choose a name of at most 63 such characters.',
  },
});
