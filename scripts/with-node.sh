#!/usr/bin/env bash
# Runs a command with the Node that the set-up uses: scripts/with-node.sh node file.mjs
set -euo pipefail
folder=$PWD
cd "$(dirname "$0")/.."
. scripts/step.sh
. scripts/python.sh
. scripts/node.sh
use_node
cd "$folder"
exec "$@"
