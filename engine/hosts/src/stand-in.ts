/**
 * systemd's two programs as shell scripts, so that the scripts for hosts run on any Linux without root: units are sessions of
 * processes, their state is files. Only what those scripts use is there. A host's fake is testing.ts; this one is for scripts.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HostAnswer, HostConnection, HostScript } from '@polyanthus/ground-ssh/connection';
import { sshErrors } from '@polyanthus/ground-ssh/errors';

const programs: Readonly<Record<string, string>> = {
  'systemd-run': String.raw`unit= seconds=9999 post=
while :; do
  case $1 in
  --unit=*) unit=${'$'}{1#--unit=} ;;
  --property=RuntimeMaxSec=*) seconds=${'$'}{1#*RuntimeMaxSec=} ;;
  --property=ExecStopPost=*) post=${'$'}{1#*ExecStopPost=} ;;
  --*) ;;
  *) break ;;
  esac
  shift
done
u=$STAND_IN/units/$unit
mkdir "$u" || exit 1
echo running > "$u/sub"
setsid supervise "$u" "$seconds" "$post" "$@" < /dev/null > /dev/null 2>&1 &
# As Type=exec has it: the process is there when this ends.
n=0
while [ ! -s "$u/pid" ] && [ "$n" -lt 1000 ]; do sleep 0.01; n=$((n + 1)); done
`,
  supervise: String.raw`u=$1 seconds=$2 post=$3
shift 3
echo "$$" > "$u/supervisor"
setsid "$@" &
pid=$!
echo "$pid" > "$u/pid"
setsid expire "$u" "$seconds" "$pid" > /dev/null 2>&1 &
timer=$!
wait "$pid"
status=$?
kill -TERM "-$timer" 2> /dev/null
why=exit-code
[ "$status" != 0 ] || why=success
[ "$status" -le 128 ] || why=signal
[ ! -e "$u/stopping" ] || why=success
[ ! -e "$u/why" ] || why=timeout
echo "$why" > "$u/result"
echo "$status" > "$u/status"
if [ "$why" = success ] && [ ! -e "$u/stopping" ]; then echo exited > "$u/sub"; exit; fi
SERVICE_RESULT=$why EXIT_STATUS=$status $post
if [ -e "$u/stopping" ]; then rm -rf "$u"; else echo failed > "$u/sub"; fi
`,
  expire: 'sleep "$2"; echo timeout > "$1/why"; end-session "$3"\n',
  'end-session': 'kill -TERM "-$1"; sleep 1; kill -KILL "-$1"\n',
  systemctl: String.raw`for last; do :; done
u=$STAND_IN/units/${'$'}{last%.service}
case $1 in
is-system-running) [ ! -e "$STAND_IN/rebooting" ] && echo running || echo stopping ;;
reboot) touch "$STAND_IN/rebooting" ;;
show)
  active=inactive sub=dead
  [ ! -e "$u/sub" ] || read -r sub < "$u/sub"
  case $sub in running | exited) active=active ;; failed) active=failed ;; esac
  printf 'ActiveState=%s\nSubState=%s\n' "$active" "$sub"
  printf 'Result=%s\nExecMainStatus=%s\n' "$(cat "$u/result" 2> /dev/null)" "$(cat "$u/status" 2> /dev/null)"
  ;;
stop)
  [ -e "$u/sub" ] || exit 0
  if [ "$(cat "$u/sub")" = running ]; then
    touch "$u/stopping"
    setsid end-session "$(cat "$u/pid")" > /dev/null 2>&1 &
  else rm -rf "$u"; fi
  ;;
reset-failed) [ "$(cat "$u/sub" 2> /dev/null)" != failed ] || rm -rf "$u" ;;
esac
`,
  cat: 'if [ "$1" = /proc/sys/kernel/random/boot_id ]; then exec /bin/cat "$STAND_IN/boot"; fi\nexec /bin/cat "$@"\n',
};

/** A host that is this machine's shell with those programs, below `folder`. */
export class StandInHost implements HostConnection {
  readonly name = 'stand-in';
  readonly stateDir: string;
  readonly #folder: string;
  readonly #path: string;
  #boots = 1;
  #powered = true;

  /** `path`: where this machine's programs are. */
  constructor(folder: string, path: string) {
    this.#folder = folder;
    this.#path = `${join(folder, 'bin')}:${path}`;
    this.stateDir = join(folder, 'state');
    mkdirSync(join(folder, 'bin'));
    mkdirSync(join(folder, 'units'));
    for (const [name, script] of Object.entries(programs))
      writeFileSync(join(folder, 'bin', name), `#!/bin/sh\n${script}`, { mode: 0o755 });
    this.#boot();
  }

  get marks(): readonly string[] {
    return readFileSync(join(this.#folder, 'marks'), { encoding: 'utf8', flag: 'a+' }).trim().split('\n');
  }

  async run(_ctx: unknown, { script, args = [] }: HostScript): Promise<HostAnswer> {
    if (!this.#powered) throw sshErrors.error('HostUnreachable', `${this.name} is off`);
    if (existsSync(join(this.#folder, 'rebooting'))) return this.#reboot();
    const env = { STAND_IN: this.#folder, MARKS: join(this.#folder, 'marks') };
    const child = spawn('sh', ['-s', '--', ...args], { env: { ...env, PATH: this.#path } });
    const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on('data', (piece: Buffer) => stdout.push(piece));
    child.stderr.on('data', (piece: Buffer) => stderr.push(piece));
    child.stdin.end(script);
    const [code] = (await once(child, 'close')) as [number];
    return { code, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr) };
  }

  upload(): Promise<void> {
    return Promise.reject(new Error('the stand-in takes no files'));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Lets a command that is held go to its end. */
  release(mark: string): void {
    writeFileSync(join(this.#folder, `marks.${mark}`), '');
  }

  /** Whatever runs is killed at once, and systemd forgets everything. */
  cutPower(): void {
    this.#powered = false;
    for (const unit of readdirSync(join(this.#folder, 'units'))) {
      const pidIn = (name: string): string =>
        readFileSync(join(this.#folder, 'units', unit, name), { encoding: 'utf8', flag: 'a+' }).trim();
      // The supervisor first: it would record an end that no machine without power records.
      const pids = [pidIn('supervisor'), pidIn('pid')];
      rmSync(join(this.#folder, 'units', unit), { recursive: true, force: true });
      for (const pid of pids) if (/^\d+$/.test(pid)) kill(-Number(pid));
    }
  }

  powerUp(): void {
    this.#powered = true;
    this.#boots += 1;
    this.#boot();
  }

  /** The request that finds it on its way down does not reach it; the next one finds it up again. */
  #reboot(): Promise<never> {
    this.cutPower();
    rmSync(join(this.#folder, 'rebooting'));
    this.powerUp();
    return Promise.reject(sshErrors.error('HostUnreachable', `${this.name} is rebooting`));
  }

  #boot(): void {
    writeFileSync(join(this.#folder, 'boot'), `boot-${this.#boots}\n`);
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
