#!/usr/bin/env bash
# Installs the Debian packages that the tests need when it may; otherwise names them and stops.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/step.sh
PATH="$PATH:/usr/sbin:/sbin"

missing=()
while read -r package program _; do
  case $package in '' | '#'*) continue ;; esac
  # A library has no program; it is known by a file.
  command -v "$program" >/dev/null || compgen -G "$program" >/dev/null || missing+=("$package")
done <scripts/debian-packages-test.txt
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
  as_root=(sudo -n)
fi
if ! command -v apt-get >/dev/null || ! "${as_root[@]}" true 2>/dev/null; then
  stop "The tests need programs that are not here, and only root may install them. As root:" \
    "  apt-get install --no-install-recommends ${missing[*]}" \
    "Then run this again. (scripts/debian-packages-test.txt says what each is for.)"
fi

install_packages() {
  "${as_root[@]}" apt-get update &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
      -o DPkg::Lock::Timeout=300 "${missing[@]}"
}
step "Debian packages: ${missing[*]}" install_packages
