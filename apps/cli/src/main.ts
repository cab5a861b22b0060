/** The one executable: who it is follows from the name it was started by, what it does from the tree. */
import { background } from '@polyanthus/ground-base/context';
import { productVersion } from '@polyanthus/ground-base/version';
import { runProgram } from '@polyanthus/ground-cli-kit/run';
import { advise } from './advice.ts';
import { processIo } from './process-io.ts';
import { stderrLogger } from './stderr-logger.ts';
import { interruptSignal } from './signals.ts';
import { commandTree } from './tree.ts';

const log = await stderrLogger(process.env['POLYANTHUS_LOG'] ?? 'warn');
const program = {
  name: 'polyanthus',
  summary: 'One hub for many Kubernetes clusters.',
  version: productVersion,
  root: commandTree,
  advise,
};
const code = await runProgram(background({ log, signal: interruptSignal(process) }), program, process.argv.slice(2), {
  io: processIo(process),
  env: process.env,
  self: [process.execPath, ...process.argv.slice(1, 2)],
});
// Handles that a command forgot (a keep-alive socket) must not keep a script waiting.
process.exit(code);
