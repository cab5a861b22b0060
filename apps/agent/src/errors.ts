import { defineErrors } from '@polyanthus/ground-base/errors';

export const agentErrors = defineErrors({
  AgentNotEnrolled: {
    meaning: 'The agent has no certificate that is still good, and no way to get one.',
    next: 'Give --token-file with a token of polyanthus fleet register --agent=external, or --service-account-token-file.',
  },
  AgentFileUnreadable: {
    meaning: 'A file that an option of the agent names cannot be read.',
    next: 'Check the path, and that this user may read the file.',
  },
  AgentStateUnreadable: {
    meaning: "The agent's own key or certificate in its state folder cannot be read.",
    next: 'Remove the state folder and let the agent enrol again with a new token.',
  },
});
