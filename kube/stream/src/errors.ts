import { defineErrors } from '@polyanthus/ground-base/errors';

export const streamErrors = defineErrors({
  StreamProtocolViolated: {
    meaning: 'The other end of an exec, attach or port-forward stream sent what its protocol does not allow.',
    next: 'Try again; when it stays, look for a proxy in between that changes the bytes, and report both versions.',
  },
  StreamReset: {
    meaning: 'The other end gave up one of the streams of a connection.',
    next: 'Try again; the log of the kubelet says why it gave up.',
  },
  StreamBroken: {
    meaning: 'A streaming connection ended before it was complete, and how the command ended is not known.',
    next: 'Look whether the command still runs in the container before you run it again.',
  },
  StreamUpgradeRefused: {
    meaning: 'The server did not open a streaming connection.',
    next: 'Check the permission to create pods/exec, pods/attach or pods/portforward, and that proxies in between pass upgrades.',
  },
  PortForwardFailed: {
    meaning: 'The node could not connect to the port of the pod.',
    next: 'Check that the pod runs and that something listens on that port.',
  },
});
