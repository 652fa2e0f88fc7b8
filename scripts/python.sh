# Sourced: a Python of the machine, uv in .tools, and the packages in .venv.
export UV_PYTHON_DOWNLOADS=never UV_PYTHON_PREFERENCE=only-system UV_NO_PROGRESS=1
export PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 PIP_DISABLE_PIP_VERSION_CHECK=1
unset VIRTUAL_ENV PYTHONHOME UV_PROJECT_ENVIRONMENT
# Certificates that the machine trusts, so that a company's own are believed too.
if [ -s /etc/ssl/certs/ca-certificates.crt ]; then
  export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-1}"
fi

find_python() {
  local candidate
  for candidate in python3 python3.11 python3.12 python3.13 python3.14; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' 2>/dev/null; then
      PYTHON=$("$candidate" -c 'import sys; print(getattr(sys, "_base_executable", sys.executable))')
      return
    fi
  done
  stop "Reelkeep needs Python 3.11 to 3.14, and none is on the PATH." \
    "On Debian 12: apt-get install python3 python3-venv, then run this again."
}

# Debian's pip refuses to install into the system, so uv goes into .tools by whichever way there is.
install_uv() {
  [ -x .tools/bin/uv ] && .tools/bin/uv --version >/dev/null 2>&1 && return
  mkdir -p .tools/bin
  if "$PYTHON" -c 'import ensurepip' 2>/dev/null; then
    step "uv, which installs Python packages" install_uv_by_venv
  elif "$PYTHON" -m pip --version >/dev/null 2>&1; then
    step "uv, which installs Python packages" install_uv_by_pip
  else
    stop "Reelkeep installs its packages with pip, and $PYTHON has neither pip nor venv." \
      "Install one of the two Debian packages python3-venv and python3-pip, then run this again:" \
      "  apt-get install python3-venv"
  fi
}

install_uv_by_venv() {
  rm -rf .tools/venv &&
    "$PYTHON" -m venv .tools/venv &&
    .tools/venv/bin/python -m pip install 'uv>=0.9' &&
    ln -sfn ../venv/bin/uv .tools/bin/uv
}

install_uv_by_pip() {
  "$PYTHON" -m pip install --target .tools/uv --upgrade 'uv>=0.9' &&
    ln -sfn ../uv/bin/uv .tools/bin/uv
}

# The set-up's own pip, for a machine whose package index is named in pip's configuration only.
own_pip() {
  local python=$PYTHON
  [ -x .tools/venv/bin/python ] && python=.tools/venv/bin/python
  "$python" -m pip "$@"
}

pip_names_an_index() {
  grep -Eq '[.](index-url|extra-index-url|find-links|no-index)=' <<<"$(own_pip config list 2>/dev/null)"
}

# The digests of the lock file are checked either way; only where the files come from differs.
install_by_uv() {
  .tools/bin/uv sync --frozen --python "$PYTHON" "$@"
}

install_by_pip() {
  .tools/bin/uv venv --allow-existing --python "$PYTHON" .venv &&
    .tools/bin/uv export --quiet --frozen --no-emit-project --output-file .tools/requirements.txt "$@" &&
    own_pip --python .venv/bin/python install --require-hashes --requirement .tools/requirements.txt &&
    own_pip --python .venv/bin/python install --no-deps --editable .
}

install_by_either() {
  install_by_uv "$@" && return
  pip_names_an_index || return 1
  echo "uv could not; now with pip, whose configuration names a package index."
  install_by_pip "$@"
}

# install_python_packages [--dev]: does nothing when .venv was made from the same lock, in the same place.
# What was once installed with the tests' packages keeps them.
install_python_packages() {
  local stamp=.venv/.reelkeep-installed groups=(--no-dev) wanted
  if [ "${1:-}" = --dev ] || grep -q '^with dev$' "$stamp" 2>/dev/null; then
    groups=()
  fi
  wanted=$(
    echo "${groups[0]:-with dev}"
    cat pyproject.toml uv.lock | sha256sum
    echo "$PWD"
  )
  [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && .venv/bin/python -c '' 2>/dev/null && return
  # The programs in .venv/bin name their folder; after a move they would not start.
  [ ! -f "$stamp" ] || [ "$(tail -n 1 "$stamp")" = "$PWD" ] || rm -rf .venv
  find_python
  install_uv
  step "Python packages" install_by_either "${groups[@]}"
  echo "$wanted" >"$stamp"
}
