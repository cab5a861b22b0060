import { defineErrors } from '@polyanthus/ground-base/errors';

export const sshErrors = defineErrors({
  HostUnreachable: {
    meaning: 'No ssh connection to the host could be made.',
    next: 'Check address, port, route and that sshd runs there; nothing was changed on the host.',
  },
  HostKeyChanged: {
    meaning: 'The host shows another key than the pinned one: it was installed anew, or somebody stands in between.',
    next: 'Compare the key on the console of the host; only then replace its line in the known hosts file.',
  },
  HostKeyUnknown: {
    meaning: 'No key is pinned for the host.',
    next: 'Add the key of the host to the known hosts file, taken from its console.',
  },
  HostAuthRefused: {
    meaning: 'The host does not accept the user or the key.',
    next: 'Check the ssh user, the key file and authorized_keys on the host.',
  },
  HostBecomeRefused: {
    meaning: 'The ssh user may not run commands as root without a password.',
    next: 'Log in as root, or allow passwordless sudo for the user.',
  },
  HostConnectionLost: {
    meaning: 'The connection broke while a command ran: whether it has ended, and how, is not known.',
    next: 'Ask the host what became of it before doing it again.',
  },
  HostTimedOut: {
    meaning: 'A command on the host did not end within its time; it may still run.',
    next: 'Ask the host what became of it before doing it again.',
  },
});
