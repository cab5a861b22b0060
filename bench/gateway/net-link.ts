/**
 * A link between the hub's machine and the member's: two network namespaces joined by a veth pair whose ends are paced by
 * tbf, and relays that hold every byte for half of the round trip. Needs root.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { startBy } from './children.ts';
import { goProgram } from '../go-program.ts';

/** The link as the hub's side sees it. Ports are of 127.0.0.1 on their side. */
export interface NetLink {
  /** Runs a program on the member's side. */
  readonly inside: readonly string[];
  /** From a port of the hub's side to one where the member's side reaches it. */
  toHub(port: number): Promise<number>;
  /** From a port of the member's side to one where the hub's side reaches it. */
  toMember(port: number): Promise<number>;
}

/** Each way, so that a round trip is 20 ms. */
const delayMs = 10;
const hubAddress = '192.0.2.1';
const memberAddress = '192.0.2.2';
const memberSpace = 'BENCH_MEMBER_NETNS';

const inSpace = (name: string): readonly string[] => ['ip', 'netns', 'exec', name];

function run(...args: readonly string[]): void {
  execFileSync(args[0] ?? '', args.slice(1), { stdio: ['ignore', 'ignore', 'inherit'] });
}

/** One end of the link. */
function raise(space: string, device: string, address: string, mbit: number): void {
  // A burst of 1 ms of the link at least, 64 KiB for large segments; the queue holds 40 ms, as a router's would.
  const burst = `${Math.max(65_536, Math.round((mbit * 1e6) / 8 / 1000))}`;
  const command = inSpace(space);
  run(...command, 'ip', 'link', 'set', 'lo', 'up');
  run(...command, 'ip', 'address', 'add', `${address}/30`, 'dev', device);
  run(...command, 'ip', 'link', 'set', device, 'up');
  run(
    ...command,
    'tc',
    'qdisc',
    'add',
    'dev',
    device,
    'root',
    'tbf',
    'rate',
    `${mbit}mbit`,
    'burst',
    burst,
    'latency',
    '40ms',
  );
}

/** Runs this program again on the hub's side of a link of so many Mbit/s; gives its exit code, or nothing on that side. */
export function enterLink(mbit: number): number | undefined {
  if (process.env[memberSpace] !== undefined) return undefined;
  const [hub, member] = [`poly-bench-${process.pid}-hub`, `poly-bench-${process.pid}-member`];
  const made: string[] = [];
  try {
    for (const name of [hub, member]) {
      run('ip', 'netns', 'add', name);
      made.push(name);
    }
    run(...inSpace(hub), 'ip', 'link', 'add', 'near', 'type', 'veth', 'peer', 'name', 'far');
    run(...inSpace(hub), 'ip', 'link', 'set', 'far', 'netns', member);
    raise(hub, 'near', hubAddress, mbit);
    raise(member, 'far', memberAddress, mbit);
    const [command = '', ...args] = [...inSpace(hub), process.execPath, ...process.argv.slice(1)];
    return spawnSync(command, args, { stdio: 'inherit', env: { ...process.env, [memberSpace]: member } }).status ?? 1;
  } finally {
    for (const name of made) run('ip', 'netns', 'del', name);
  }
}

async function relay(prefix: readonly string[], listen: string, target: string, ms: number): Promise<number> {
  const flags = [`-listen=${listen}:0`, `-url=${target}`, `-delay=${ms}ms`, '-mbit=0'];
  return Number((await startBy(prefix, goProgram('gateway/load'), ['relay', ...flags])).line);
}

/** The link that this program was started on the hub's side of. */
export function netLink(): NetLink {
  const inside = inSpace(process.env[memberSpace] ?? '');
  return {
    inside,
    toHub: async (port) => {
      const arrival = await relay([], hubAddress, `127.0.0.1:${port}`, 0);
      return relay(inside, '127.0.0.1', `${hubAddress}:${arrival}`, delayMs);
    },
    toMember: async (port) => {
      const arrival = await relay(inside, memberAddress, `127.0.0.1:${port}`, 0);
      return relay([], '127.0.0.1', `${memberAddress}:${arrival}`, delayMs);
    },
  };
}
