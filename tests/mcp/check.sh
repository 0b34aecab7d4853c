#!/usr/bin/env bash
# Installs the servers, starts each as its README says, and lets the probe look at it.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
pids=()

stop() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap stop EXIT

await() {
    for _ in $(seq 300); do
        if [ -s "$1" ]; then cat "$1" && return; fi
        sleep 0.1
    done
    echo "error: no port in $1" >&2
    return 1
}

# shellcheck source=/dev/null
source "$here/install.sh"
install_mcp_python
install_mcp_everything

"$mcp_python" "$here/server.py" "$work/notebook" --token s3cret --page-size 4 &
pids+=($!)
PORT=0 PORT_FILE=$work/everything node --require "$here/loopback.cjs" "$mcp_everything" streamableHttp >/dev/null &
pids+=($!)

echo "== server.py"
"$mcp_python" "$here/probe.py" "http://127.0.0.1:$(await "$work/notebook")/mcp" s3cret
echo "== server-everything over streamable HTTP"
"$mcp_python" "$here/probe.py" "http://127.0.0.1:$(await "$work/everything")/mcp"
echo "== server-everything over stdio"
"$mcp_python" "$here/probe.py" -- node "$mcp_everything" stdio
