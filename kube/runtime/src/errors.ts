import { defineErrors } from '@polyanthus/ground-base/errors';

export const runtimeErrors = defineErrors({
  WatchStalled: {
    meaning: 'A watch sent neither events nor bookmarks for too long; it was cut and begun anew.',
    next: 'Nothing to do when it is rare. When it repeats, look at proxies and load balancers between here and the API server.',
  },
  StreamingListUnfinished: {
    meaning: 'The API server began a streaming list and never marked its end; a paged list was used instead.',
    next: 'Nothing to do; it happens with API servers that do not know sendInitialEvents.',
  },
  LeadershipLost: {
    meaning: 'This process could not renew its Lease in time, so another one may lead now; it stopped its work.',
    next: 'Check that the API server answers within the renew deadline, and that this process gets enough CPU.',
  },
  ReconcileCrashed: {
    meaning: 'A controller met a state that its code does not expect.',
    next: 'This is a defect; please report it with the log. The controller tries the object again, more and more slowly.',
  },
});
