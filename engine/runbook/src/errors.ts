import { defineErrors } from '@polyanthus/ground-base/errors';

export const runbookErrors = defineErrors({
  RunbookUnknown: {
    meaning: 'No runbook of this name is built into this version.',
    next: 'Look at `polyanthus runbook list --runbooks`.',
    usage: true,
  },
  RunParameterInvalid: {
    meaning: 'A parameter of a runbook is missing, unknown or of the wrong form.',
    next: 'Look at `polyanthus runbook explain RUNBOOK` for the parameters, then start it again.',
    usage: true,
  },
  RunbookDigestMismatch: {
    meaning: 'The run was begun with another edition of the runbook or the engine than this program has.',
    next: 'Go on with the version of polyanthus that the run names, or abort the run and start a new one.',
    terminal: true,
  },
  RunTakenOver: {
    meaning: 'Another executor carries the run out now, or the run was deleted; this one changes nothing more.',
    next: 'Watch it with `polyanthus runbook watch RUN`.',
    terminal: true,
  },
  TargetClaimed: {
    meaning: 'Another run works on the same object.',
    next: 'Wait for that run or abort it; when it no longer exists, remove the annotation runbook.polyanthus.dev/claim.',
  },
  TargetReplaced: {
    meaning: 'An object that the run works on is gone, or another one has its name now.',
    next: 'Abort the run, then start a new one with the objects that are there.',
  },
  StepBlocked: {
    meaning: 'What a step needs before it may begin is not so.',
    next: 'Mend what the message names, then `polyanthus runbook resume RUN`.',
  },
  StepNotProven: {
    meaning: 'A step was carried out, but no fresh observation says that it had its effect.',
    next: 'Look at the last observation in the message, mend it, then `polyanthus runbook resume RUN`.',
  },
  StepOutcomeUnknown: {
    meaning:
      'An executor ended in the middle of an action that may not be done twice, and nothing shows that it happened.',
    next: 'Find out by hand whether it happened; then `polyanthus runbook resume RUN` does it again.',
  },
  ProofLost: {
    meaning: 'Something that an earlier step made sure of is no longer so.',
    next: 'Find out who changed it, then `polyanthus runbook resume RUN` makes it so again.',
  },
  PointOfNoReturn: {
    meaning: 'A step that cannot be undone has been begun, so that the run cannot be taken back beyond it.',
    next: 'Go forward with `polyanthus runbook resume RUN`, or undo to a step after it.',
  },
  RunKindsForeign: {
    meaning:
      'The kinds of runs could not be installed: another product has a CRD of that name, or the API server does not take ours.',
    next: 'Look at the CustomResourceDefinition that the message names.',
  },
  SshSecretUnusable: {
    meaning: 'A Secret that shall give the hub its way to hosts does not hold what it needs.',
    next: 'Make it of type kubernetes.io/ssh-auth with the fields `ssh-privatekey` and `known_hosts`.',
  },
  SshFileUnusable: {
    meaning: 'A file with a private key or with keys of hosts cannot be handed over with a run.',
    next: 'Give --ssh-key and --known-hosts as files that you can read and that are not empty, or name a Secret with --ssh-secret.',
  },
  RunEnded: {
    meaning: 'What is asked of a run has no effect, because it has ended.',
    next: 'Look at `polyanthus runbook report RUN`.',
  },
  RunStopped: {
    meaning: 'A run ended red, aborted or undone instead of done.',
    next: 'Look at `polyanthus runbook report RUN`.',
  },
});
