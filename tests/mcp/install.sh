# shellcheck shell=bash
# Installs the pinned MCP servers and the official client, each once for a set of versions; to be sourced, as
# ../sdk/install.sh is.
#
# OPEN_RESPONSES_CACHE  where to; default: target/sdk

mcp=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mcp_cache=${OPEN_RESPONSES_CACHE:-${CARGO_TARGET_DIR:-$mcp/../../target}/sdk}

# Sets $mcp_python, an interpreter that can run server.py and probe.py.
install_mcp_python() {
    local key home
    key=$(sha256sum "$mcp/python/requirements.txt" | cut -c1-16)
    home=$mcp_cache/mcp-python-$key
    mcp_python=$home/bin/python
    [ -e "$home/ready" ] && return
    rm -rf "$home"
    python3 -m venv "$home"
    "$home/bin/pip" install --quiet --disable-pip-version-check -r "$mcp/python/requirements.txt"
    touch "$home/ready"
}

# Sets $mcp_everything, the script of @modelcontextprotocol/server-everything.
install_mcp_everything() {
    local key home
    key=$(cat "$mcp/node/package.json" "$mcp/node/package-lock.json" | sha256sum | cut -c1-16)
    home=$mcp_cache/mcp-node-$key
    mcp_everything=$home/node_modules/@modelcontextprotocol/server-everything/dist/index.js
    [ -e "$home/ready" ] && return
    rm -rf "$home"
    mkdir -p "$home"
    cp "$mcp/node/package.json" "$mcp/node/package-lock.json" "$home/"
    (cd "$home" && npm ci --no-audit --no-fund --loglevel=error)
    touch "$home/ready"
}
