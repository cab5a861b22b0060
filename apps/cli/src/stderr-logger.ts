/** Log lines on stderr: JSON where it is piped, a readable line on a terminal. pino does the writing, synchronously. */
import { createLogger, type Logger, type LogLevel } from '@polyanthus/ground-base/log';

const levels: readonly string[] = ['debug', 'info', 'warn', 'error'];

/** A logger at this level; an unknown level is `warn`. */
export async function stderrLogger(level: string): Promise<Logger> {
  const minimum = (levels.includes(level) ? level : 'warn') as LogLevel;
  if (process.stderr.isTTY)
    return createLogger(
      ({ level: at, message, fields }) => void process.stderr.write(`${at.padEnd(5)} ${message}${readable(fields)}\n`),
      minimum,
    );
  const { default: pino } = await import('pino');
  const sink = pino({ level: minimum, base: null }, pino.destination({ dest: 2, sync: true }));
  return createLogger((line) => sink[line.level](line.fields, line.message), minimum);
}

function readable(fields: Readonly<Record<string, unknown>>): string {
  return Object.entries(fields)
    .map(([name, value]) => ` ${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join('');
}
