/** What was tried, what was answered, what the audit log says of it: written to evidence/ when all of it held. */
import { writeFile } from 'node:fs/promises';
import type { GatewayAudit } from '@polyanthus/engine-gateway/audit';

const head = `# Attacks on the hub

Written by \`apps/hub/src/e2e/attacks.real.test.ts\`, which asserts every row against a hub with members of Kubernetes 1.37.2 and 1.36.3.

| attack | status | answer | audit line |
|---|---|---|---|
`;

/** Rows, in order of their attack. */
export class AttackTable {
  readonly #rows = new Map<string, string>();

  /** `says` is the answer's body: of a Status its message is taken. */
  note(attack: string, status: number | string, says: string, line: GatewayAudit): void {
    const message = /"message":"((?:[^"\\]|\\.)*)"/.exec(says)?.[1] ?? says;
    const said = message
      .replaceAll('\\"', '"')
      .replaceAll(/[\r\n]+/g, ' ')
      .slice(0, 160);
    const audit = `user=${line.user || '(none)'} verb=${line.verb || '(none)'} allowed=${line.allowed} status=${line.status}: ${line.reason.slice(0, 110)}`;
    const stable = [attack, String(status), said, audit].map((text) =>
      text.replaceAll('|', '\\|').replaceAll(/[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}/g, 'UID'),
    );
    this.#rows.set(attack, `| ${stable.join(' | ')} |\n`);
  }

  async write(file: string): Promise<void> {
    const rows = [...this.#rows].toSorted(([one], [two]) => (one < two ? -1 : 1)).map(([, row]) => row);
    if (rows.length > 0) await writeFile(file, head + rows.join(''));
  }
}
