/**
 * Coded errors. A room declares its codes once as data (`defineErrors`), so that docs/errors.md is generated from the
 * same table that the code throws from. Compare by `code`, never by instanceof across rooms.
 */

/** What a code means to a user, and what to do next. Both are printed and documented. */
export interface ErrorEntry {
  readonly meaning: string;
  readonly next: string;
  /** Never worth a retry: a controller reports it and stops. */
  readonly terminal?: boolean;
  /** The command line is at fault: commands end with exit code 2. */
  readonly usage?: boolean;
}

/** An operating error: something outside the program is not as it should be. */
export class CodedError extends Error {
  readonly code: string;
  /** The next step for the person who reads it. */
  readonly next: string;
  readonly terminal: boolean;
  readonly usage: boolean;

  constructor(
    code: string,
    message: string,
    options: { readonly next: string; readonly terminal?: boolean; readonly usage?: boolean; readonly cause?: unknown },
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'CodedError';
    this.code = code;
    this.next = options.next;
    this.terminal = options.terminal ?? false;
    this.usage = options.usage ?? false;
  }
}

/** The codes of one room. */
export interface ErrorTable<C extends string> {
  readonly entries: Readonly<Record<C, ErrorEntry>>;
  /** Makes the error; `message` names the object, the field and the reason. `next` overrides the table's next step. */
  error(code: C, message: string, options?: { readonly cause?: unknown; readonly next?: string }): CodedError;
}

/** Declares the codes of a room. Codes are CamelCase and unique in the whole product (a check holds both). */
export function defineErrors<const C extends string>(entries: Readonly<Record<C, ErrorEntry>>): ErrorTable<C> {
  return {
    entries,
    error: (code, message, options = {}) => {
      const entry = entries[code];
      return new CodedError(code, message, {
        next: options.next ?? entry.next,
        terminal: entry.terminal ?? false,
        usage: entry.usage ?? false,
        ...(options.cause === undefined ? {} : { cause: options.cause }),
      });
    },
  };
}

/** Whether `error` carries this code. */
export function hasCode(error: unknown, code: string): boolean {
  return typeof error === 'object' && error !== null && (error as { code?: unknown }).code === code;
}

export const baseErrors = defineErrors({
  Cancelled: {
    meaning: 'The caller gave up, or the program is stopping.',
    next: 'Run the command again; work that was begun goes on where it stopped.',
  },
  DeadlineExceeded: {
    meaning: 'An operation did not finish within its time.',
    next: 'Look at what it waited for, then run it again, with a longer timeout where the command has one.',
  },
  QueueFull: {
    meaning: 'A bounded queue has no room: the reader is slower than the writer.',
    next: 'Lower the load or wait; nothing that was accepted is lost.',
  },
});
