/** Where audit lines go: one JSON object a line. */
import { createWriteStream } from 'node:fs';
import type { Context } from '@polyanthus/ground-base/context';
import type { GatewayAudit } from '@polyanthus/engine-gateway/audit';

/** An open log. */
export interface AuditLog {
  readonly write: (line: GatewayAudit) => void;
  close(): Promise<void>;
}

/** Appends to a file of mode 0600. Failures to write are logged; requests go on. */
export function openAuditLog(ctx: Context, file: string): AuditLog {
  const stream = createWriteStream(file, { flags: 'a', mode: 0o600 });
  stream.on('error', (error) => ctx.log.error('the audit log cannot be written', { error }));
  return {
    write: (line) => void stream.write(`${JSON.stringify(line)}\n`),
    close: () => new Promise((resolve) => stream.end(() => resolve())),
  };
}
