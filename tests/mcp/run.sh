#!/usr/bin/env bash
# Runs the server against real MCP servers, with a scripted model.
#
#   tests/mcp/run.sh [ARGUMENT OF PYTEST]...
#
# OPEN_RESPONSES_BIN    the server; default: built here (debug profile)
# OPEN_RESPONSES_CACHE  where everything else is installed; default: target/sdk
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
if [ -z "${OPEN_RESPONSES_BIN:-}" ]; then
    (cd "$repo" && cargo build --locked --bin open-responses)
    OPEN_RESPONSES_BIN=${CARGO_TARGET_DIR:-$repo/target}/debug/open-responses
fi

# shellcheck source=/dev/null
source "$repo/tests/sdk/install.sh"
# shellcheck source=/dev/null
source "$here/install.sh"
install_python
install_mcp_python
install_mcp_everything

export OPEN_RESPONSES_BIN MCP_PYTHON=$mcp_python MCP_EVERYTHING=$mcp_everything PYTHONDONTWRITEBYTECODE=1
exec "$python/bin/python" -m pytest -q -p no:cacheprovider --tb=short "$@" "$here"
