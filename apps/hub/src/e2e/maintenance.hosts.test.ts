/**
 * Real maintenance: kubelets, evictions, kube-proxy and hosts are the real ones, the executor is the command line as users have
 * it. What a service under load loses meanwhile, executors that are stopped or killed, and a power cut in mid-command.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { whyNotHosts } from '../../../../lab/src/hosts.ts';
import type { LoadFigures } from '../../../../lab/src/load.ts';
import { whyNotReal } from '../../../../lab/src/parts.ts';
import { MaintainedHosts } from './maintained-hosts.ts';
import { figure, type Running } from './processes.ts';

const why = whyNotHosts() ?? whyNotReal(['kubectl', '1.37.2']);

describe.skipIf(why !== undefined)(`maintenance of real hosts${why === undefined ? '' : ` (${why})`}`, () => {
  let lab: MaintainedHosts;
  beforeAll(async () => {
    lab = await MaintainedHosts.start();
  }, 600_000);
  afterAll(() => lab?.stop(), 120_000);

  const succeeded = async (running: Running): Promise<void> => {
    expect(await running.ended, running.said()).toBe(0);
    expect(await lab.cordoned()).toBe('');
  };

  /** Whether both hosts were given back by this run. */
  const released = async (run: string): Promise<boolean> => {
    const claims = [await lab.hostClaim('h1'), await lab.hostClaim('h2')];
    return claims.every(([cluster, , holder = '']) => cluster === '-' && holder.endsWith(`/${run}`));
  };

  /** Prints what the load saw. */
  const tell = (seen: LoadFigures): LoadFigures => {
    const { sent, lost, reasons, skipped, slowestMs, seconds } = seen;
    const rate = (sent.new + sent.kept) / seconds;
    figure(`${rate.toFixed(0)} requests a second; on new connections ${sent.new}, lost ${lost.new}`);
    figure(`on kept connections ${sent.kept}, lost ${lost.kept}; slowest ${slowestMs} ms, not sent ${skipped}`);
    figure(`why: ${JSON.stringify(reasons)}`);
    return seen;
  };

  it('of both nodes, rehearsed before, with a command on each, under load', async () => {
    const rehearsal = lab.rehearse('m1', ['h1', 'h2'], 3);
    // What is unknown or a problem is no failure of a rehearsal: 3 and 4 say that there is some.
    const code = await rehearsal.ended;
    expect([0, 3, 4], rehearsal.said()).toContain(code);
    figure(rehearsal.said());
    const endLoad = await lab.load(250);
    const began = performance.now();
    await succeeded(lab.maintain('m1', ['h1', 'h2'], 3));
    const seconds = (performance.now() - began) / 1000;
    const { sent, lost } = tell(await endLoad());
    figure(`maintenance of 2 nodes took ${seconds.toFixed(1)} s`);
    const report = lab.polyanthus('runbook', 'report', 'm1');
    expect(await report.ended, report.said()).toBe(0);
    const compared = report.said().indexOf('## Beside the rehearsal');
    expect(compared).toBeGreaterThan(0);
    figure(report.said().slice(compared));
    expect([await lab.marks('h1', 'm1'), await lab.marks('h2', 'm1')]).toEqual([1, 1]);
    expect(await released('m1')).toBe(true);
    // Pods serve on for 8 s after SIGTERM, and a second is enough for kube-proxy to send no more to them.
    expect(lost.new / sent.new).toBeLessThan(0.01);
    expect(lost.kept / sent.kept).toBeLessThan(0.01);
  });

  it('by an executor that is killed at every step in turn ends as one that is not, under load', async () => {
    const [endLoad, endBudget] = [await lab.load(250), lab.followBudget()];
    const began = performance.now();
    const { kills, code, said } = await lab.killAtEachStep('k1', ['h1', 'h2'], 1);
    const took = (performance.now() - began) / 1000;
    const [figures, budget] = [tell(await endLoad()), await endBudget()];
    for (const { after, seconds } of kills) figure(`| ${after} | ${seconds.toFixed(1)} s |`);
    figure(
      `${kills.length} executors killed in ${took.toFixed(0)} s; healthy pods never fewer than ${budget.fewest} of ${budget.wanted} wanted`,
    );
    expect(code, said).toBe(0);
    // Four checks before; for each node four actions of three states, and two checks.
    expect(kills).toHaveLength(4 + 2 * (4 * 3 + 2));
    expect(await lab.steps('k1')).toEqual(await lab.steps('m1'));
    expect([await lab.cordoned(), (await lab.nodeClaims()).trim(), await released('k1')]).toEqual(['', '', true]);
    for (const host of ['h1', 'h2']) {
      expect(await lab.marks(host, 'k1')).toBe(1);
      expect(await lab.begun(host, 'k1')).toHaveLength(1);
    }
    expect(budget.wanted).toBe(2);
    expect(budget.fewest).toBeGreaterThanOrEqual(budget.wanted);
    expect(figures.lost.new / figures.sent.new).toBeLessThan(0.01);
    expect(figures.lost.kept / figures.sent.kept).toBeLessThan(0.01);
  }, 900_000);

  it('that is aborted in mid-command stops the unit, gives the host back, and is undone', async () => {
    const running = lab.maintain('a1', ['h2'], 600);
    await lab.untilMarked('h2', 'a1');
    const abort = lab.polyanthus('runbook', 'abort', 'a1');
    await running.ended;
    expect(await abort.ended, abort.said()).toBe(0);
    const { stdout } = await lab.hosts.ssh('h2', "systemctl is-active 'polyanthus-a1-*'; pgrep -f 'sleep 600'");
    expect(stdout).not.toMatch(/^active|^\d/m);
    expect([(await lab.hostClaim('h2'))[0], await lab.cordoned()]).toEqual(['-', 'h2']);
    await succeeded(lab.polyanthus('runbook', 'undo', 'a1'));
    expect(await lab.marks('h2', 'a1')).toBe(1);
  });

  it('with a reboot of the host is proven by its boot id, and reboots it once', async () => {
    const before = await lab.bootId('h2');
    const running = lab.maintain('b1', ['h2'], 1, '--reboot');
    await succeeded(running);
    const after = await lab.bootId('h2');
    expect(after).not.toBe(before);
    expect((await lab.begun('h2', 'b1')).map((unit) => unit.replace(/-[0-9a-f]{12}-/, '-'))).toEqual([
      'polyanthus-b1-command-1',
      'polyanthus-b1-reboot-1',
    ]);
    const report = lab.polyanthus('runbook', 'report', 'b1');
    expect(await report.ended).toBe(0);
    expect(report.said()).toContain(`boot ${before}`);
    const proof = /.*boot .* before.*/.exec(report.said())?.[0] ?? '';
    expect(proof).toContain(after);
    figure(proof);
  });

  it('by an executor that stands still while another one finishes, and changes nothing when it goes on', async () => {
    const first = lab.maintain('m2', ['h2'], 8);
    await lab.untilMarked('h2', 'm2');
    first.child.kill('SIGSTOP');
    await succeeded(lab.polyanthus('runbook', 'resume', 'm2'));
    first.child.kill('SIGCONT');
    await first.ended;
    expect(await lab.marks('h2', 'm2')).toBe(1);
    expect(await lab.cordoned()).toBe('');
  });

  it('by an executor that is killed in mid-command: a later one waits for the unit that runs', async () => {
    const first = lab.maintain('m3', ['h2'], 8);
    await lab.untilMarked('h2', 'm3');
    await first.stop('SIGKILL');
    await succeeded(lab.polyanthus('runbook', 'resume', 'm3'));
    expect(await lab.marks('h2', 'm3')).toBe(1);
  });

  it('whose host loses its power in mid-command stops red, and is taken back', async () => {
    const running = lab.maintain('m4', ['h2'], 600);
    await lab.untilMarked('h2', 'm4');
    await lab.hosts.power('cut', 'h2');
    await lab.hosts.power('up', 'h2');
    expect(await running.ended).not.toBe(0);
    expect(running.said()).toContain('was under way when the host went down');
    expect(await lab.cordoned()).toBe('h2');
    await succeeded(lab.polyanthus('runbook', 'undo', 'm4'));
    expect(await lab.marks('h2', 'm4')).toBe(1);
  });
});
