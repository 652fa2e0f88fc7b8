#!/usr/bin/env bash
# Starts a real S3 for tests: a Ceph RADOS Gateway with one monitor and one store in memory.
#
#   scripts/ceph-rgw-start.sh DIR PORT          DIR is wiped; stop with scripts/ceph-rgw-stop.sh DIR
#
# Listens on 127.0.0.1 only: PORT (S3), PORT+1 (monitor), PORT+10 to PORT+30 (daemons among themselves).
# Runs as any user. Needs Debian's packages:
#   apt-get install -y --no-install-recommends radosgw ceph-mon ceph-osd ceph-common curl
# S3_ACCESS_KEY and S3_SECRET_KEY name the only user; OBJECTS_BYTES bounds the memory for objects.
set -euo pipefail

dir=${1:?usage: ceph-rgw-start.sh DIR PORT}
port=${2:?usage: ceph-rgw-start.sh DIR PORT}
access_key=${S3_ACCESS_KEY:-reelkeep-test-key}
secret_key=${S3_SECRET_KEY:-reelkeep-test-secret-key}
monitor_port=$((port + 1))

missing=()
for program in ceph ceph-authtool ceph-mon ceph-osd monmaptool radosgw radosgw-admin curl; do
  command -v "$program" >/dev/null || missing+=("$program")
done
if [ ${#missing[@]} -gt 0 ]; then
  echo "missing programs: ${missing[*]}" >&2
  echo "install them: apt-get install -y --no-install-recommends radosgw ceph-mon ceph-osd ceph-common curl" >&2
  exit 3
fi

rm -rf "$dir"
mkdir -p "$dir"/{monitor,objects,run,log,out}
chmod 700 "$dir"
fsid=$(cat /proc/sys/kernel/random/uuid)
keyring=$dir/keyring

cat >"$dir/ceph.conf" <<CONF
[global]
fsid = $fsid
mon host = v2:127.0.0.1:$monitor_port
mon initial members = a
public addr = 127.0.0.1
cluster addr = 127.0.0.1
osd heartbeat addr = 127.0.0.1
ms bind ipv4 = true
ms bind ipv6 = false
ms bind port min = $((port + 10))
ms bind port max = $((port + 30))
ms bind msgr1 = false
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = false
paxos propose interval = 0.02
paxos min wait = 0.01
run dir = $dir/run
admin socket = $dir/run/\$name.\$pid.asok
pid file = $dir/run/\$name.pid
log file = $dir/log/\$name.log
crash dir = $dir/log
keyring = $keyring
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
[mon]
mon data = $dir/monitor
mon data avail warn = 1
mon data avail crit = 0
mon osd crush smoke test = false
[osd]
osd data = $dir/objects
osd objectstore = memstore
osd memory target = 939524096
memstore device bytes = ${OBJECTS_BYTES:-4294967296}
osd class load list = *
osd class default list = *
osd heartbeat grace = 60
# What a gateway that was killed watched is waited for so long, by whoever makes a bucket after it.
osd client watch timeout = 5
[client.rgw]
objecter tick interval = 1
rgw data = $dir/out
rgw frontends = beast endpoint=127.0.0.1:$port
rgw crypt require ssl = false
rgw crypt s3 kms backend = testing
rgw crypt s3 kms encryption keys = reelkeep-test=$(head -c 32 /dev/urandom | base64)
rgw enable ops log = false
# The bytes of what was removed leave the memory soon, not after two hours.
rgw gc obj min wait = 20
rgw gc processor period = 20
rgw gc processor max time = 20
rgw relaxed region enforcement = true
CONF

fail() {
  echo "the gateway did not start: $1; see $dir/log and $dir/out" >&2
  tail -n 5 "$dir"/out/*.out >&2 || true
  exit 1
}

{
  ceph-authtool --create-keyring "$keyring" --gen-key -n mon. --cap mon 'allow *'
  ceph-authtool "$keyring" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *'
  ceph-authtool "$keyring" --gen-key -n osd.0 --cap mon 'allow *' --cap osd 'allow *'
  ceph-authtool "$keyring" --gen-key -n client.rgw --cap mon 'allow rwx' --cap osd 'allow rwx'
  monmaptool --create --clobber --fsid "$fsid" --addv a "[v2:127.0.0.1:$monitor_port]" "$dir/monmap"
} >"$dir/out/keys.out" 2>&1 || fail "keys"

export CEPH_CONF=$dir/ceph.conf
CEPH_ARGS=--no-mon-config ceph-mon -i a --mkfs --monmap "$dir/monmap" --keyring "$keyring" \
  >"$dir/out/monitor.out" 2>&1 || fail "monitor store"
CEPH_ARGS=--no-mon-config ceph-mon -i a -f >>"$dir/out/monitor.out" 2>&1 &
echo $! >"$dir/pid.monitor"
for _ in $(seq 200); do
  (exec 3<>"/dev/tcp/127.0.0.1/$monitor_port") 2>/dev/null && break
  kill -0 "$(cat "$dir/pid.monitor")" 2>/dev/null || fail "monitor"
  sleep 0.05
done

osd_id=$(cat /proc/sys/kernel/random/uuid)
timeout 30 ceph osd new "$osd_id" >"$dir/out/osd.out" 2>&1 || fail "object daemon's id"
ceph-osd -i 0 --mkfs --osd-uuid "$osd_id" >>"$dir/out/osd.out" 2>&1 || fail "object store"
ceph-osd -i 0 -f >>"$dir/out/osd.out" 2>&1 &
echo $! >"$dir/pid.osd"
for _ in $(seq 200); do
  timeout 20 ceph osd stat 2>/dev/null | grep -q '1 up' && break
  kill -0 "$(cat "$dir/pid.osd")" 2>/dev/null || fail "object daemon"
  sleep 0.1
done

timeout 60 radosgw-admin -n client.rgw user create --uid=test --display-name=test \
  --access-key="$access_key" --secret-key="$secret_key" >"$dir/out/user.out" 2>&1 || fail "user"
# Storage classes; here they are only names: everything lies in the same memory.
for class in STANDARD_IA GLACIER; do
  timeout 60 radosgw-admin -n client.rgw zonegroup placement add --rgw-zonegroup=default \
    --placement-id=default-placement --storage-class=$class >>"$dir/out/user.out" 2>&1 || fail "class $class"
  timeout 60 radosgw-admin -n client.rgw zone placement add --rgw-zone=default --placement-id=default-placement \
    --storage-class=$class --data-pool=default.rgw.buckets.data >>"$dir/out/user.out" 2>&1 || fail "class $class"
done
radosgw -n client.rgw -f >"$dir/out/gateway.out" 2>&1 &
echo $! >"$dir/pid.gateway"
for _ in $(seq 300); do
  if curl -s -o /dev/null "http://127.0.0.1:$port/"; then
    echo "ready http://127.0.0.1:$port"
    exit 0
  fi
  kill -0 "$(cat "$dir/pid.gateway")" 2>/dev/null || fail "gateway"
  sleep 0.1
done
fail "gateway does not answer"
