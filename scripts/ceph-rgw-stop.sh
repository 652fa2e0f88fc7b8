#!/usr/bin/env bash
# Stops exactly the processes that ceph-rgw-start.sh recorded in DIR, then removes DIR.
set -euo pipefail

dir=${1:?usage: ceph-rgw-stop.sh DIR}
pids=()
for name in gateway osd monitor; do
  pid=$(cat "$dir/pid.$name" 2>/dev/null) || continue
  # The number may have been given to another program since.
  if grep -qaE 'radosgw|ceph-' "/proc/$pid/cmdline" 2>/dev/null; then pids+=("$pid"); fi
done
for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
for _ in $(seq 20); do
  alive=0
  for pid in "${pids[@]}"; do kill -0 "$pid" 2>/dev/null && alive=1; done
  [ $alive = 0 ] && break
  sleep 0.1
done
for pid in "${pids[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
rm -rf "$dir"
