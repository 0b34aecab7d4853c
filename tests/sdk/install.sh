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

# Installs the packages of a folder here, once for a set of versions: `install_npm FOLDER`. Sets $packages.
install_npm() {
    local key
    key=$(cat "$sdk/$1/package.json" "$sdk/$1/package-lock.json" | sha256sum | cut -c1-16)
    packages=$cache/$1-$key
    [ -e "$packages/ready" ] && return
    rm -rf "$packages"
    mkdir -p "$packages"
    cp "$sdk/$1/package.json" "$sdk/$1/package-lock.json" "$packages/"
    (cd "$packages" && npm ci --no-audit --no-fund --loglevel=error)
    touch "$packages/ready"
}

# Sets $node. The tests are copied beside node_modules, since Node looks for packages from a file's own folder upwards.
install_node() {
    install_npm node
    node=$packages
    cp "$sdk"/node/*.mjs "$node/"
}
