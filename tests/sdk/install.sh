# shellcheck shell=bash
# Installs the pinned SDKs, each once for a set of versions; sourced by run.sh here and by examples/run.sh.

sdk=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${OPEN_RESPONSES_CACHE:-${CARGO_TARGET_DIR:-$sdk/../../target}/sdk}

# Sets $python.
install_python() {
    local key
    key=$(sha256sum "$sdk/python/requirements.txt" | cut -c1-16)
    python=$cache/python-$key
    [ -e "$python/ready" ] && return
    rm -rf "$python"
    python3 -m venv "$python"
    "$python/bin/pip" install --quiet --disable-pip-version-check -r "$sdk/python/requirements.txt"
    touch "$python/ready"
}

# Sets $node. The tests are copied beside node_modules, since Node looks for packages from a file's own folder upwards.
install_node() {
    local key
    key=$(cat "$sdk/node/package.json" "$sdk/node/package-lock.json" | sha256sum | cut -c1-16)
    node=$cache/node-$key
    if [ ! -e "$node/ready" ]; then
        rm -rf "$node"
        mkdir -p "$node"
        cp "$sdk/node/package.json" "$sdk/node/package-lock.json" "$node/"
        (cd "$node" && npm ci --no-audit --no-fund --loglevel=error)
        touch "$node/ready"
    fi
    cp "$sdk"/node/*.mjs "$node/"
}
