#!/usr/bin/env bash
# Formatting, lint, types, the contracts between the rooms, and the same for the web app.
set -uo pipefail
cd "$(dirname "$0")/.."
. scripts/step.sh
. scripts/python.sh
. scripts/node.sh
use_node

failed=0
step "Formatting" .venv/bin/ruff format --check . || failed=1
step "Lint" .venv/bin/ruff check . || failed=1
step "Types" .venv/bin/mypy || failed=1
step "Contracts between the rooms" .venv/bin/lint-imports || failed=1
step "Web app" in_web npm run check || failed=1
step "Browser client" in_sdk npm run check || failed=1
exit $failed
