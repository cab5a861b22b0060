import { defineErrors } from '@polyanthus/ground-base/errors';

export const tunnelErrors = defineErrors({
  TunnelAway: {
    meaning: 'The agent of a member cluster has no connection to the hub.',
    next: 'Look at the agent in the member: kubectl -n polyanthus-agent get pods; its log says why it cannot dial the hub.',
  },
  TunnelBusy: {
    meaning: 'A member has as many requests under way as one tunnel carries.',
    next: 'Wait, or end watches and streams that nobody reads.',
  },
  TunnelRefused: {
    meaning: 'The hub refused an agent: its key, certificate or claim is not that of a membership.',
    next: 'Enrol the agent again with a new token: polyanthus fleet register.',
  },
  TunnelProtocol: {
    meaning: 'The two ends of a tunnel do not understand each other.',
    next: 'Bring agent and hub to neighbouring versions; a proxy between them must pass WebSocket frames untouched.',
  },
  TunnelLoop: {
    meaning: 'Two hub replicas each believe that the other holds a tunnel.',
    next: 'Wait for the agent to connect again; if it stays, compare the clocks and Leases of the replicas.',
  },
  EnrolmentRefused: {
    meaning: 'An enrolment token, certificate request or ServiceAccount token was not accepted.',
    next: 'Make a new token with polyanthus fleet register and start the agent with it.',
  },
});
