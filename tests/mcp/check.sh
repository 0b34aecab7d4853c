#!/usr/bin/env bash
# Installs the servers, starts each as its README says, and lets the probe look at it.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
# shellcheck source=/dev/null
source "$repo/tests/processes.sh"
# shellcheck source=/dev/null
source "$here/install.sh"
install_mcp_python
install_mcp_everything

"$mcp_python" "$here/server.py" "$work/notebook" --token s3cret --page-size 4 &
pids+=($!)
PORT=0 PORT_FILE=$work/everything node --require "$here/loopback.cjs" "$mcp_everything" streamableHttp >/dev/null &
pids+=($!)

echo "== server.py"
"$mcp_python" "$here/probe.py" "http://127.0.0.1:$(await "$work/notebook" '^[0-9]+$')/mcp" s3cret
echo "== server-everything over streamable HTTP"
"$mcp_python" "$here/probe.py" "http://127.0.0.1:$(await "$work/everything" '^[0-9]+$')/mcp"
echo "== server-everything over stdio"
"$mcp_python" "$here/probe.py" -- node "$mcp_everything" stdio
