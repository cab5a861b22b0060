import { inProcessTransport } from './in-process.ts';
import { transportConformance } from './testing.ts';

transportConformance('in process', async (handler) => ({
  transport: inProcessTransport(handler),
  close: async () => undefined,
}));
