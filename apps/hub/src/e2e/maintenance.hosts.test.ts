/**
 * Real maintenance: kubelets, evictions, kube-proxy and hosts are the real ones, the executor is the command line as users have
 * it. What a service under load loses meanwhile, executors that are stopped or killed, and a power cut in mid-command.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { whyNotHosts } from '../../../../lab/src/hosts.ts';
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
    const { sent, lost, reasons, skipped, slowestMs, seconds: loadSeconds } = await endLoad();
    const rate = (sent.new + sent.kept) / loadSeconds;
    figure(`maintenance of 2 nodes took ${seconds.toFixed(1)} s`);
    figure(`${rate.toFixed(0)} requests a second; on new connections ${sent.new}, lost ${lost.new}`);
    figure(`on kept connections ${sent.kept}, lost ${lost.kept}; slowest ${slowestMs} ms, not sent ${skipped}`);
    figure(`why: ${JSON.stringify(reasons)}`);
    const report = lab.polyanthus('runbook', 'report', 'm1');
    expect(await report.ended, report.said()).toBe(0);
    const compared = report.said().indexOf('## Beside the rehearsal');
    expect(compared).toBeGreaterThan(0);
    figure(report.said().slice(compared));
    expect([await lab.marks('h1', 'm1'), await lab.marks('h2', 'm1')]).toEqual([1, 1]);
    // Pods serve on for 8 s after SIGTERM, and a second is enough for kube-proxy to send no more to them.
    expect(lost.new / sent.new).toBeLessThan(0.01);
    expect(lost.kept / sent.kept).toBeLessThan(0.01);
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
