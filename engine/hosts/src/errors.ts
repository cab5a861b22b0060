import { defineErrors } from '@polyanthus/ground-base/errors';

export const hostsErrors = defineErrors({
  HostForeign: {
    meaning: 'The host is claimed by another cluster.',
    next: 'Look whether the address is the right one; when the machine has left that cluster for good, remove the claim file that the message names.',
  },
  HostTakenOver: {
    meaning: 'A later executor, or a later run, has worked on the host since; this one changes nothing there any more.',
    next: 'Watch the run that the message names, or start a new one.',
  },
  HostBusy: {
    meaning: 'Another command of ours is under way on the host; only one may change it at a time.',
    next: 'Wait until the unit that the message names has ended (`systemctl status UNIT` on the host), then resume the run.',
  },
  HostDiskFull: {
    meaning:
      'The disk of the host has no room for the record of a command, so that none is begun and no end is taken for known.',
    next: 'Free some space where the message says, then resume the run; what has ended meanwhile is found and not done again.',
  },
  HostStateBroken: {
    meaning: 'The folder in which a host keeps claim and journal cannot be written or read.',
    next: 'Look at the file system of that folder on the host (read-only, damaged), mend it, then resume the run.',
  },
  HostToolMissing: {
    meaning: 'The host lacks a program that every host needs.',
    next: 'Install the program that the message names on the host: it belongs to systemd, coreutils or util-linux.',
  },
  HostStopping: {
    meaning: 'The host is shutting down or rebooting.',
    next: 'Wait until it is up again; the run waits as well.',
  },
  HostScriptFailed: {
    meaning: 'A script on the host ended in a way that it should not.',
    next: 'Look at the message: it is what the host said.',
  },
  HostUnitRefused: {
    meaning: 'systemd on the host did not take the unit of a command; the command did not run.',
    next: 'Look at the message of systemd and at `journalctl -b` on the host, then resume the run.',
  },
  HostCommandFailed: {
    meaning: 'A command on the host ended with another exit code than 0.',
    next: 'Look at its output on the host, where the message says; mend it, then resume the run, which does it again.',
  },
  HostCommandStopped: {
    meaning: 'A command on the host was stopped before its end: by its deadline, by a person, or by the kernel.',
    next: 'Find out on the host what it has done so far, then resume the run, which does it again, or undo it.',
  },
  HostRebooted: {
    meaning: 'The host went down in the middle of a command: how far it came is not known.',
    next: 'Find out on the host what it has done so far, then resume the run, which does it again, or undo it. A run that is to reboot hosts is told so (`--reboot`), and never by its command.',
  },
  HostUnitLost: {
    meaning:
      'The journal of the host says that a command was begun, but neither systemd nor the journal knows its end.',
    next: 'Find out on the host what it has done, then resume the run, which does it again, or undo it.',
  },
});
