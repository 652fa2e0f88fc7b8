# Sourced by the other scripts: one readable line for each phase, its whole output in a log.
LOGS="${LOGS:-.cache/logs}"

# step NAME COMMAND…: runs the command, says how long it took; on failure shows the end of its log.
step() {
  local name=$1 started=$SECONDS log
  shift
  mkdir -p "$LOGS"
  log="$LOGS/$(printf '%s' "$name" | tr -cs 'A-Za-z0-9' '-').log"
  printf '  %-58s' "$name"
  if NO_COLOR=1 "$@" >"$log" 2>&1 </dev/null; then
    printf 'ok   %3d s\n' $((SECONDS - started))
    return 0
  fi
  printf 'FAILED after %d s\n' $((SECONDS - started))
  tail -n 40 "$log" | sed 's/\x1b\[[0-9;]*m//g; s/^/    | /'
  printf '  The whole log: %s\n' "$log"
  return 1
}

# stop SENTENCE…: ends the script with what happened and what to do, one sentence a line.
stop() {
  printf '\n' >&2
  printf '%s\n' "$@" >&2
  exit 1
}
