#!/usr/bin/env bash
# The whole suite: the web app's own tests, then pytest. With arguments: pytest alone, with them.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/step.sh
. scripts/python.sh
. scripts/node.sh

scripts/install-test-packages.sh
scripts/setup.sh --dev
if [ $# -gt 0 ]; then
  exec .venv/bin/pytest "$@"
fi
use_node
step "Tests of the web app" in_web npm test
step "Tests of the browser client" in_sdk npm test
# Two at a time; the tests of one file share their servers.
exec .venv/bin/pytest -n 2 --dist loadfile
