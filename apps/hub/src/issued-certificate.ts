/** A certificate that a running server got from the hub's own CA, and its successors: no restart is needed for them. */
import { sleep, type Context } from '@polyanthus/ground-base/context';
import { parseCertificate } from '@polyanthus/ground-pki/certificate';

/** PEM. */
export interface IssuedCertificate {
  readonly cert: string;
  readonly key: string;
}

/** Timers do not last as long as certificates, and clocks are set: the term is looked at again and again. */
const lookEveryMs = 3_600_000;

/**
 * Issues a successor when a third of the term is left, until `ctx` is cancelled; both are good while connections move.
 * One that cannot be issued is tried again at the next look, and said in the log.
 */
export async function keepIssued(
  ctx: Context,
  first: IssuedCertificate,
  issue: () => Promise<IssuedCertificate>,
  onRenewed: (successor: IssuedCertificate) => void,
): Promise<void> {
  let current = first;
  while (!ctx.signal.aborted) {
    await sleep(ctx, lookEveryMs).catch(() => undefined);
    if (ctx.signal.aborted || !isLate(ctx, current)) continue;
    try {
      current = await issue();
      onRenewed(current);
      ctx.log.info('a certificate of the hub was renewed', { until: untilOf(current) });
    } catch (error) {
      ctx.log.error('a certificate of the hub could not be renewed', { until: untilOf(current), error });
    }
  }
}

function isLate(ctx: Context, { cert }: IssuedCertificate): boolean {
  const { notBeforeMs, notAfterMs } = parseCertificate(cert);
  return ctx.clock.now() > notAfterMs - (notAfterMs - notBeforeMs) / 3;
}

const untilOf = ({ cert }: IssuedCertificate): string => new Date(parseCertificate(cert).notAfterMs).toISOString();
