/** Structured logging as an interface: rooms write constant messages and key/value fields; apps decide where they go. */

/** Values of a log line. Never pass secrets; object references are `namespace/name`. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Two levels of interest (`debug`, `info`) and two of trouble. Messages are constant; variable parts are fields. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger whose every line carries `fields` too. */
  with(fields: LogFields): Logger;
}

/** Drops every line. */
export const nullLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  with: () => nullLogger,
};

/** How much a line matters; a logger drops what is below its own level. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

const order: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

/** One log line before it is printed. */
export interface LogLine {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: LogFields;
}

/** A logger that hands each line at or above `minimum` to `write`. Errors among the fields become their message and code. */
export function createLogger(
  write: (line: LogLine) => void,
  minimum: LogLevel = 'info',
  fields: LogFields = {},
): Logger {
  const at = (level: LogLevel) => (message: string, extra?: LogFields) => {
    if (order[level] >= order[minimum]) write({ level, message, fields: plain({ ...fields, ...extra }) });
  };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    with: (extra) => createLogger(write, minimum, { ...fields, ...extra }),
  };
}

function plain(fields: LogFields): LogFields {
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(fields)) {
    out[key] = value instanceof Error ? describeError(value) : value;
  }
  return out;
}

/** The message of an error and, after colons, of its causes (at most 8), each once. */
export function describeError(error: unknown): string {
  const parts: string[] = [];
  let current: unknown = error;
  for (let depth = 0; current !== undefined && current !== null && depth < 8; depth++) {
    const text = current instanceof Error ? current.message || current.name : String(current);
    if (!parts.some((part) => part.includes(text))) parts.push(text);
    current = current instanceof Error ? current.cause : undefined;
  }
  return parts.join(': ');
}
