/**
 * Commands on a host: begun once for each attempt, whoever asks and however often; waited for by whoever holds the run now.
 */
import { sleep, type Context } from '@polyanthus/ground-base/context';
import { askHost, unitOf, type FencedHost } from './protocol.ts';
import type { EndedUnit, UnitState } from './unit.ts';

/** What is to run. */
export interface HostCommand {
  /** From `stemOf`. */
  readonly stem: string;
  readonly attempt: number;
  /** A script for sh; it runs as root. */
  readonly command: string;
  /** systemd stops it then, whether anybody watches or not. */
  readonly timeoutMs: number;
  /** Begun only while the host is still in this boot, as `standingOf` names it: for what must not follow a reboot. */
  readonly boot?: string;
}

/** What is known of a host at one moment. */
export interface HostStanding {
  /** The latest unit of the step. */
  readonly unit: UnitState;
  /** The boot that the host is in: another text after every boot, the kernel's boot id first. */
  readonly boot: string;
}

/** Between two looks: short commands are not waited for longer than they take. */
const pollMs = { first: 250, most: 2000 };
const commandBytesMax = 64 * 1024;

/** Takes the claim, which fences whoever held it with a lower epoch, and says where the step's latest unit stands. */
export async function claimHost(ctx: Context, host: FencedHost, stem: string): Promise<UnitState> {
  return (await standingOf(ctx, host, stem, 'claim')).unit;
}

/** As `claimHost`, or as `lookAtCommand`, with the boot that the host is in. */
export async function standingOf(
  ctx: Context,
  host: FencedHost,
  stem: string,
  verb: 'claim' | 'look',
): Promise<HostStanding> {
  const reply = await askHost(ctx, host, { verb, stem });
  return { unit: unitOf(reply, host.connection.name), boot: reply.values.get('boot') ?? '' };
}

/**
 * Gives the claim back, and says where the step's latest unit stands. Whoever works on the host next needs a higher epoch; the
 * host is bound to no cluster. Errors: HostBusy while a command of ours runs there, HostTakenOver.
 */
export async function releaseHost(ctx: Context, host: FencedHost, stem: string): Promise<UnitState> {
  return unitOf(await askHost(ctx, host, { verb: 'release', stem }), host.connection.name);
}

/**
 * Takes the claim and begins the command, in one script under the host's lock. Where this attempt was begun before, or an
 * earlier one still runs, nothing is begun: the answer is that unit. Nor is it in another boot than the one that was asked for.
 */
export async function startCommand(ctx: Context, host: FencedHost, command: HostCommand): Promise<UnitState> {
  if (Buffer.byteLength(command.command) > commandBytesMax)
    throw new RangeError(`a command for a host has at most ${commandBytesMax} bytes`);
  const { timeoutMs, ...asked } = command;
  const seconds = Math.max(1, Math.ceil(timeoutMs / 1000));
  const reply = await askHost(ctx, host, { verb: 'start', ...asked, seconds });
  return unitOf(reply, host.connection.name);
}

/** Has systemd stop the step's unit if it runs; the answer is where it stands by then, often still running. */
export async function stopCommand(ctx: Context, host: FencedHost, stem: string): Promise<UnitState> {
  return unitOf(await askHost(ctx, host, { verb: 'stop', stem }), host.connection.name);
}

/** Where the step's latest unit stands; takes no claim, but refuses a host of another cluster. */
export async function lookAtCommand(ctx: Context, host: FencedHost, stem: string): Promise<UnitState> {
  return unitOf(await askHost(ctx, host, { verb: 'look', stem }), host.connection.name);
}

/** Waits until the unit has ended: it has a deadline of its own on the host; undefined where there is none. */
export async function awaitCommand(
  ctx: Context,
  host: FencedHost,
  stem: string,
  first?: UnitState,
): Promise<EndedUnit | undefined> {
  let unit = first ?? (await lookAtCommand(ctx, host, stem));
  for (let delayMs = pollMs.first; unit.state === 'running'; delayMs = Math.min(pollMs.most, 2 * delayMs)) {
    await sleep(ctx, delayMs);
    unit = await lookAtCommand(ctx, host, stem);
  }
  return unit.state === 'ended' ? unit : undefined;
}
