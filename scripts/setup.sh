#!/usr/bin/env bash
# Installs what Reelkeep needs into this checkout: .tools (uv, perhaps Node), .venv, and the built web app.
# Needs no root and no network once everything is there. `--dev` adds what tests and checks need.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/step.sh
. scripts/python.sh
. scripts/node.sh

WEB_BUILT=src/reelkeep/http/static

one_at_a_time() {
  mkdir -p .tools
  exec 9>.tools/setup.lock
  flock -n 9 || { echo "  Waiting for another set-up of this checkout…"; flock 9; }
}

digest_of_web() {
  find web sdk/typescript \( -name node_modules -o -name build -o -name dist -o -name test-results -o -name playwright-report \) -prune \
    -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1
}

install_web_packages() {
  local stamp=web/node_modules/.reelkeep-installed digest
  digest=$(cat web/package.json web/package-lock.json | sha256sum | cut -d' ' -f1)-$(node --version)
  [ "$(cat "$stamp" 2>/dev/null)" = "$digest" ] && return
  step "Packages of the web app" in_web npm ci --no-audit --no-fund
  echo "$digest" >"$stamp"
}

install_sdk_packages() {
  local stamp=sdk/typescript/node_modules/.reelkeep-installed digest
  digest=$(cat sdk/typescript/package.json sdk/typescript/package-lock.json | sha256sum | cut -d' ' -f1)-$(node --version)
  [ "$(cat "$stamp" 2>/dev/null)" = "$digest" ] && return
  step "Packages of the browser client" in_sdk npm ci --no-audit --no-fund
  echo "$digest" >"$stamp"
}

install_test_clients() {
  local stamp=tests/clients/node_modules/.reelkeep-installed digest
  digest=$(cat tests/clients/package.json tests/clients/package-lock.json | sha256sum | cut -d' ' -f1)-$(node --version)
  [ "$(cat "$stamp" 2>/dev/null)" = "$digest" ] && return
  step "Upload clients that the tests use" in_test_clients npm ci --no-audit --no-fund
  echo "$digest" >"$stamp"
}

build_web() {
  local stamp=$WEB_BUILT/.built-from digest
  digest=$(digest_of_web)
  [ -f $WEB_BUILT/index.html ] && [ "$(cat $stamp 2>/dev/null)" = "$digest" ] && return
  use_node
  install_web_packages
  step "Build of the web app" in_web npm run build
  echo "$digest" >$stamp
}

one_at_a_time
install_python_packages "${1:-}"
build_web
if [ "${1:-}" = --dev ]; then
  use_node
  install_web_packages
  install_sdk_packages
  install_test_clients
fi
