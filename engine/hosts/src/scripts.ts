/**
 * What runs on a host: one POSIX sh script for every request, sent over stdin and read whole before anything of it runs
 * (`main` is called by its last line: a connection that breaks in mid-script runs nothing), and the wrapper that is the
 * main process of a unit. Everything that decides happens under the host's lock; whatever is decided on is synced first.
 */

/** Bytes of a command's output that are kept: the first of them as they come, and as many of the last ones. */
export const outputBytes = 64 * 1024;
/** Lines of the journal, and how many stay when there are more. */
const journalLinesMax = 1000;
const journalLinesKept = 500;
/** Commands whose script and output stay on the host. */
const unitsKept = 20;
/** Free space that a command needs to begin: its output twice, its records, and some air. */
const freeKiBMin = 1024;
const lockSeconds = 20;

/**
 * The main process of a unit (`run`) and what systemd calls after every end of it (`post`). An end by itself is recorded by
 * `run`; one by a signal, of a deadline or of a shutdown, by `post`, which knows why. A trap is no inherited one: the command
 * gets SIGTERM as any other.
 */
const wrapper = String.raw`d=$2
record() {
  printf '%s %s\n' "$1" "$2" > "$d/end.new" && sync "$d/end.new" && mv -f "$d/end.new" "$d/end" && sync "$d"
}
stopping() { [ "$(systemctl is-system-running 2>/dev/null)" = stopping ]; }
case $1 in
run)
  stopped=
  trap 'stopped=1' TERM
  (
    trap '' TERM
    head -c ${outputBytes} > "$d/output"
    tail -c ${outputBytes} > "$d/output.last"
    cat > /dev/null
    touch "$d/kept"
  ) < "$d/pipe" &
  sh "$d/command" < /dev/null > "$d/pipe" 2>&1
  code=$?
  # What the command left behind may keep the pipe open: it is not waited for.
  n=0
  while [ ! -e "$d/kept" ] && [ "$n" -lt 100 ]; do sleep 0.1; n=$((n + 1)); done
  sync "$d/output" 2>/dev/null
  if [ -z "$stopped" ]; then record exited "$code"; else printf '%s\n' "$code" > "$d/code"; fi
  exit "$code"
  ;;
post)
  [ ! -s "$d/end" ] || exit 0
  code=-
  [ ! -s "$d/code" ] || read -r code < "$d/code"
  if [ "$SERVICE_RESULT" = timeout ]; then record deadline "$code"
  elif stopping && [ "$code" = 0 ]; then record exited 0
  elif stopping; then record rebooted "$code"
  elif [ "$code" = - ]; then record killed "$EXIT_STATUS"
  else record stopped "$code"
  fi
  ;;
esac
`;

/**
 * Arguments: state folder, verb, cluster, epoch, holder, stem, attempt, seconds, boot (`-`: any). The command comes in
 * $payload. Answers are lines `KEY VALUE`, an empty one, and the output; a refusal is `refused WORD DETAIL`.
 *
 * Files: `claim` (cluster, or `-` once it was given back; epoch, holder), `journal` (one line for each claim, release, begin
 * and end), `units/UNIT/` (begin, command, output, end). Fields are separated by tabs, and a full stop ends each line: what a
 * power cut tore has none.
 */
export const hostScript = String.raw`main() {
  umask 077
  LC_ALL=C
  export LC_ALL
  D=$1 verb=$2 cluster=$3 epoch=$4 holder=$5 stem=$6 attempt=$7 seconds=$8 boot_wanted=$9
  tab=$(printf '\t')
  for tool in flock systemctl systemd-run sync mkfifo df; do
    command -v "$tool" > /dev/null 2>&1 || refuse tool "$tool"
  done
  ! stopping || refuse stopping
  mkdir -p "$D/units" && touch "$D/lock" "$D/journal" || unwritable
  exec 9< "$D/lock"
  flock -w ${lockSeconds} 9 || refuse locked "$D/lock"
  # The start of pid 1 too: machines of one kernel share its boot id.
  boot=$(cat /proc/sys/kernel/random/boot_id)-$(sed 's/.*) //' /proc/1/stat | cut -d' ' -f20)
  settle
  case $verb in
  look) own_cluster; report_last ;;
  claim) take; report_last ;;
  start) take; start ;;
  stop) take; stop ;;
  release) release; report_last ;;
  journal) printf '\n'; cat "$D/journal" ;;
  esac
  exit 0
}

refuse() { printf 'refused %s\n' "$*"; exit 0; }
stopping() { [ "$(systemctl is-system-running 2>/dev/null)" = stopping ]; }
now() { date -u +%Y-%m-%dT%H:%M:%SZ; }
free_kib() { set -- $(df -Pk "$D" | tail -n 1); printf '%s' "$4"; }
unwritable() { refuse unwritable "$(free_kib)" "$D"; }

# put FILE LINE: whole or not at all.
put() {
  printf '%s\n' "$2" > "$1.new" && sync "$1.new" && mv -f "$1.new" "$1" && sync "$(dirname "$1")"
}

# note LINE: to the journal; a torn line before it stays one of its own.
note() {
  case $(tail -c 1 "$D/journal" | od -An -c) in
  '' | *'\n'*) ;;
  *) printf '\n' >> "$D/journal" || return 1 ;;
  esac
  printf '%s\t.\n' "$1" >> "$D/journal" && sync "$D/journal" "$D"
}

trim() {
  [ "$(wc -l < "$D/journal")" -gt ${journalLinesMax} ] || return 0
  tail -n ${journalLinesKept} "$D/journal" > "$D/journal.new" && sync "$D/journal.new" &&
    mv -f "$D/journal.new" "$D/journal" && sync "$D"
}

begun() { grep -q "^begin$tab.*$tab$1$tab\.\$" "$D/journal"; }
end_of() { grep "^end$tab.*$tab$1$tab[a-z]*$tab[^$tab]*$tab\.\$" "$D/journal" | tail -n 1 | cut -f6,7; }
last_of_stem() { grep "^begin$tab.*$tab\.\$" "$D/journal" | cut -f5 | grep "^$stem-[0-9]*\$" | tail -n 1; }

own_cluster() {
  claim_cluster= claim_epoch=
  [ -e "$D/claim" ] || return 0
  IFS=$tab read -r claim_cluster claim_epoch claim_holder claim_end < "$D/claim"
  [ "$claim_end" = . ] || refuse damaged "$D/claim"
  # One that was given back binds the host to no cluster.
  [ "$claim_cluster" = - ] || [ "$claim_cluster" = "$cluster" ] || refuse foreign "$D/claim" "$claim_cluster" "$claim_holder"
}

# take: the claim is this executor's afterwards, or refused.
take() {
  own_cluster
  if [ -e "$D/claim" ]; then
    [ "$epoch" -ge "$claim_epoch" ] || refuse epoch "$claim_epoch" "$claim_holder"
    # A request of its own that was long on its way comes too late once the claim was given back.
    [ "$claim_cluster" != - ] || [ "$epoch" -gt "$claim_epoch" ] || refuse released "$claim_epoch" "$claim_holder"
    [ "$epoch" -gt "$claim_epoch" ] || return 0
  fi
  put "$D/claim" "$cluster$tab$epoch$tab$holder$tab." || unwritable
  note "claim$tab$(now)$tab$boot$tab$epoch$tab$holder" || unwritable
}

# release: nobody's from now on, but for epochs that are higher; not while one of our commands runs.
release() {
  own_cluster
  [ "$claim_cluster/$claim_epoch" != "-/$epoch" ] || return 0
  take
  busy=$(running_unit)
  [ -z "$busy" ] || refuse busy "$busy"
  put "$D/claim" "-$tab$epoch$tab$holder$tab." && note "release$tab$(now)$tab$boot$tab$epoch$tab$holder" || unwritable
}

# settle: every end that is known is in the journal, and only then systemd may forget the unit.
settle() {
  trim || unwritable
  for d in "$D"/units/*; do
    [ -e "$d/begin" ] && [ ! -e "$d/settled" ] || continue
    unit=$(basename "$d")
    if [ -z "$(end_of "$unit")" ]; then
      judge "$d" "$unit"
      [ "$result" != running ] || continue
      note "end$tab$(now)$tab$boot$tab$epoch_then$tab$unit$tab$result$tab$code" || unwritable
    fi
    touch "$d/settled" || unwritable
    systemctl stop --no-block "$unit.service" > /dev/null 2>&1
    systemctl reset-failed "$unit.service" > /dev/null 2>&1
  done
}

# judge FOLDER UNIT: sets result and code.
judge() {
  result= code=- boot_then= epoch_then=
  IFS=$tab read -r boot_then epoch_then < "$1/begin"
  ended "$1" && return
  if [ "$boot_then" != "$boot" ]; then result=rebooted; return; fi
  active= sub= why= status=
  while IFS='=' read -r key value; do
    case $key in
    ActiveState) active=$value ;;
    SubState) sub=$value ;;
    Result) why=$value ;;
    ExecMainStatus) status=$value ;;
    esac
  done << END
$(systemctl show -p ActiveState -p SubState -p Result -p ExecMainStatus "$2.service")
END
  case $active-$sub in
  active-exited | failed-* | inactive-*) ;;
  *) result=running; return ;;
  esac
  # It may have ended while this looked; without a record the disk was full, and systemd still knows.
  ended "$1" && return
  case $active-$why in
  inactive-*) result=lost ;;
  *-success) result=exited code=0 ;;
  *-exit-code) result=exited code=$status ;;
  *-timeout) result=deadline ;;
  *) result=killed code=$status ;;
  esac
}

ended() { [ -s "$1/end" ] && read -r result code < "$1/end"; }

# report UNIT: where it stands; the output only once it has ended.
report() {
  printf 'boot %s\nunit %s\nattempt %s\n' "$boot" "$1" "$(printf '%s' "$1" | sed 's/.*-//')"
  set -- "$1" $(end_of "$1")
  if [ -z "$2" ]; then
    if [ -e "$D/units/$1/begin" ]; then printf 'state running\n'; return; fi
    set -- "$1" lost -
  fi
  printf 'state ended\nresult %s\ncode %s\nfolder %s\n\n' "$2" "$3" "$D/units/$1"
  cat "$D/units/$1/output" "$D/units/$1/output.last" 2>/dev/null
}

report_last() {
  last=$(last_of_stem)
  if [ -z "$last" ]; then printf 'boot %s\nstate none\n' "$boot"; else report "$last"; fi
}

running_unit() {
  for d in "$D"/units/*; do
    [ -e "$d/begin" ] && [ ! -e "$d/settled" ] && basename "$d" && return
  done
}

start() {
  unit=$stem-$attempt
  busy=$(running_unit)
  # An earlier attempt of the same step that still runs is waited for, not run beside.
  case $busy in
  "$stem"-*) report "$busy"; return ;;
  esac
  if begun "$unit"; then report "$unit"; return; fi
  [ -z "$busy" ] || refuse busy "$busy"
  if [ "$boot_wanted" != - ] && [ "$boot_wanted" != "$boot" ]; then report_last; return; fi
  [ "$(free_kib)" -ge ${freeKiBMin} ] || unwritable
  forget_old
  d=$D/units/$unit
  rm -rf "$d"
  mkdir "$d" && printf '%s\n' "$payload" > "$d/command" && mkfifo "$d/pipe" && write_wrapper > "$d/wrapper" &&
    put "$d/begin" "$boot$tab$epoch" && sync "$D/units" &&
    note "begin$tab$(now)$tab$boot$tab$epoch$tab$unit" || { rm -rf "$d"; unwritable; }
  if why=$(launch 2>&1); then printf 'boot %s\nunit %s\nattempt %s\nstate running\n' "$boot" "$unit" "$attempt"; return; fi
  note "end$tab$(now)$tab$boot$tab$epoch$tab$unit${'$'}{tab}refused$tab-" && touch "$d/settled"
  refuse unit "$why"
}

launch() {
  systemd-run --quiet --unit="$unit" --property=Type=exec --property=RemainAfterExit=yes --property=User=root --property=IgnoreSIGPIPE=no \
    --property=RuntimeMaxSec="$seconds" --property=TimeoutStopSec=10 \
    --property=ExecStopPost="/bin/sh $d/wrapper post $d" /bin/sh "$d/wrapper" run "$d" 9>&-
}

forget_old() {
  for d in "$D"/units/*; do
    [ -e "$d" ] || continue
    unit_then=$(basename "$d")
    cut -f1,5 "$D/journal" | grep "^begin$tab" | tail -n ${unitsKept} | grep -q "$tab$unit_then\$" || rm -rf "$d"
  done
}

stop() {
  last=$(running_unit)
  case $last in
  "$stem"-*) systemctl stop --no-block "$last.service"; report "$last" ;;
  *) report_last ;;
  esac
}

write_wrapper() {
  cat << 'END_OF_WRAPPER'
${wrapper}END_OF_WRAPPER
}
`;
