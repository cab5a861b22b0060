import { defineErrors } from '@polyanthus/ground-base/errors';

export const agentErrors = defineErrors({
  AgentNotEnrolled: {
    meaning: 'The agent has no certificate yet and no way to get one.',
    next: 'Give --token-file with a token of polyanthus fleet register --agent=external, or --service-account-token-file.',
  },
  AgentStateUnreadable: {
    meaning: "The agent's own key or certificate in its state folder cannot be read.",
    next: 'Remove the state folder and let the agent enrol again with a new token.',
  },
});
