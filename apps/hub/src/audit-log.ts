/** Where audit lines go: one JSON object a line, an event of audit.k8s.io/v1. */
import { createWriteStream } from 'node:fs';
import type { Context } from '@polyanthus/ground-base/context';
import type { GatewayAudit } from '@polyanthus/engine-gateway/audit';
import { auditEvent } from './audit-event.ts';

/** An open log. */
export interface AuditLog {
  readonly write: (line: GatewayAudit) => void;
  close(): Promise<void>;
}

/** The line as it is written. */
export function auditText(line: GatewayAudit): string {
  return `${JSON.stringify(auditEvent(line))}\n`;
}

/** Appends to a file of mode 0600. Failures to write are logged; requests go on. */
export function openAuditLog(ctx: Context, file: string): AuditLog {
  const stream = createWriteStream(file, { flags: 'a', mode: 0o600 });
  stream.on('error', (error) => ctx.log.error('the audit log cannot be written', { error }));
  return {
    write: (line) => void stream.write(auditText(line)),
    close: () => new Promise((resolve) => stream.end(() => resolve())),
  };
}
